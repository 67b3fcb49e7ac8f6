//! Dynamic references, `{{resolve:SERVICE:...}}`: values that `CloudFormation` fetches when it creates a resource.

use super::{
    Options,
    document::{Yaml, YamlData},
};

/// A node with all references in its texts replaced, by what was given or by an unknown that names it.
pub(super) fn resolve(node: Yaml, options: &Options) -> Yaml {
    let line = node.line;
    let data = match node.data {
        YamlData::Scalar { text, plain } => match texts(&text, options) {
            None => YamlData::Scalar { text, plain },
            Some((text, None)) => YamlData::Scalar { text, plain: false },
            Some((text, Some(what))) => YamlData::Unknown { text, what },
        },
        YamlData::List(list) => YamlData::List(list.into_iter().map(|node| resolve(node, options)).collect()),
        YamlData::Map(entries) => {
            YamlData::Map(entries.into_iter().map(|(name, node)| (name, resolve(node, options))).collect())
        }
        other @ (YamlData::Null | YamlData::Unknown { .. }) => other,
    };
    Yaml { line, data }
}

/// A text with its references replaced, and what is not known of it; none if it has no reference.
fn texts(text: &str, options: &Options) -> Option<(String, Option<String>)> {
    let mut rest = text;
    let (mut whole, mut unknown) = (String::new(), None);
    while let Some((before, after)) = rest.split_once("{{resolve:") {
        let Some((reference, after)) = after.split_once("}}") else { break };
        whole.push_str(before);
        rest = after;
        let (service, path) = reference.split_once(':').unwrap_or((reference, ""));
        if let Some(value) = value(service, path, options) {
            whole.push_str(&value);
            continue;
        }
        let name = format!("{{{{resolve:{reference}}}}}");
        whole.extend(["<unknown: ", service, ":", path, ">"]);
        unknown =
            unknown.or_else(|| Some(format!("{name}, which is not known here (give it with --ssm {path}=VALUE)")));
    }
    (!whole.is_empty() || rest.len() != text.len()).then(|| (whole + rest, unknown))
}

/// The value of `ssm:NAME[:VERSION]`, `ssm-secure:...` or `secretsmanager:ID[:SecretString[:KEY[:STAGE[:VERSION]]]]`.
fn value(service: &str, path: &str, options: &Options) -> Option<String> {
    if let Some(value) = options.ssm.get(path) {
        return Some(value.clone());
    }
    // The id of a secret may be its ARN, which has six colons of its own.
    let colons = if path.starts_with("arn:") { 6 } else { 0 };
    let end = path.match_indices(':').nth(colons).map_or(path.len(), |(at, _)| at);
    let (id, rest) = path.split_at_checked(end)?;
    let value = options.ssm.get(id)?;
    let key = rest.split(':').nth(2).filter(|key| service == "secretsmanager" && !key.is_empty());
    let Some(key) = key else { return Some(value.clone()) };
    let secret: serde_json::Value = serde_json::from_str(value).ok()?;
    let value = secret.get(key)?;
    Some(value.as_str().map_or_else(|| value.to_string(), ToOwned::to_owned))
}
