//! Which function is meant: a name, a part of an ARN or a whole one, each with a qualifier or without.

use super::error::ApiError;
use crate::engine::Scope;

/// What a version is called that has not been published.
pub(super) const LATEST: &str = "$LATEST";

/// A function as a request names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct FunctionName {
    pub(super) name: String,
    pub(super) qualifier: Option<String>,
}

impl FunctionName {
    /// Reads the forms that Lambda takes (API reference, `Invoke`): `NAME`, `NAME:QUALIFIER`, `ACCOUNT:function:NAME` and
    /// `arn:aws:lambda:REGION:ACCOUNT:function:NAME`, all of them with a qualifier or without.
    pub(super) fn parse(raw: &str, qualifier: Option<&str>, scope: &Scope) -> Result<Self, ApiError> {
        let invalid =
            || ApiError::invalid(format!("{raw:?} is not a function: NAME, ACCOUNT:function:NAME or a function's ARN"));
        let (of, rest) = match raw.split_once("function:") {
            Some((of, rest)) => (of, rest),
            None => ("", raw),
        };
        let parts = of.trim_end_matches(':').split(':').collect::<Vec<_>>();
        let is_here = match parts.as_slice() {
            [""] => true,
            [account] => **account == *scope.account,
            ["arn", _, "lambda", region, account] => **region == *scope.region && **account == *scope.account,
            _ => return Err(invalid()),
        };
        if !is_here {
            return Err(ApiError::not_found(format!("Function not found: {raw}")));
        }
        let (name, own) = rest.split_once(':').map_or((rest, None), |(name, own)| (name, Some(own)));
        let is_word = |text: &str| {
            let is_right = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'$');
            (1..=128).contains(&text.len()) && text.bytes().all(is_right)
        };
        if !is_word(name) || ![own, qualifier].into_iter().flatten().all(is_word) {
            return Err(invalid());
        }
        if let (Some(own), Some(other)) = (own, qualifier)
            && own != other
        {
            return Err(ApiError::invalid(
                "The derived qualifier from the function name does not match the specified qualifier.",
            ));
        }
        Ok(Self { name: name.to_owned(), qualifier: own.or(qualifier).map(ToOwned::to_owned) })
    }

    /// The ARN, with the qualifier if there is one.
    pub(super) fn arn(&self, scope: &Scope) -> String {
        let arn = function_arn(&self.name, scope);
        self.qualifier.as_ref().map_or_else(|| arn.clone(), |qualifier| format!("{arn}:{qualifier}"))
    }
}

/// `arn:aws:lambda:REGION:ACCOUNT:function:NAME`.
pub(super) fn function_arn(name: &str, scope: &Scope) -> String {
    format!("arn:aws:lambda:{}:{}:function:{name}", scope.region, scope.account)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_function_is_named_in_all_forms_of_lambda() {
        let scope = Scope::new("eu-west-1", "123456789012");
        for (raw, qualifier, expected) in [
            ("resize", None, Some(("resize", None))),
            ("resize:live", None, Some(("resize", Some("live")))),
            ("resize", Some("$LATEST"), Some(("resize", Some("$LATEST")))),
            ("resize:live", Some("live"), Some(("resize", Some("live")))),
            ("123456789012:function:resize", None, Some(("resize", None))),
            ("arn:aws:lambda:eu-west-1:123456789012:function:resize", None, Some(("resize", None))),
            ("arn:aws:lambda:eu-west-1:123456789012:function:resize:7", None, Some(("resize", Some("7")))),
            ("resize:live", Some("other"), None),
            ("arn:aws:lambda:us-east-1:123456789012:function:resize", None, None),
            ("arn:aws:lambda:eu-west-1:000000000000:function:resize", None, None),
            ("000000000000:function:resize", None, None),
            ("arn:aws:sqs:eu-west-1:123456789012:function:resize", None, None),
            ("../resize", None, None),
            ("", None, None),
            ("resize:", None, None),
            ("re size", None, None),
        ] {
            let found = FunctionName::parse(raw, qualifier, &scope).ok();
            let found = found.as_ref().map(|it| (it.name.as_str(), it.qualifier.as_deref()));
            assert_eq!(found, expected, "{raw}");
        }
        let live = FunctionName::parse("resize:live", None, &scope).unwrap();
        assert_eq!(live.arn(&scope), "arn:aws:lambda:eu-west-1:123456789012:function:resize:live");
    }
}
