//! The part of JSON path that integrations use: members and items, one after the other, from the root.

use serde_json::Value;

/// A path such as `$.order.lines[0].id`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct JsonPath(Vec<Step>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Step {
    Member(String),
    Item(usize),
}

impl JsonPath {
    /// Reads a path. The `$` at its beginning may be missing.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let mut rest = text.trim();
        rest = rest.strip_prefix('$').unwrap_or(rest);
        let mut steps = Vec::new();
        while !rest.is_empty() {
            if let Some(inner) = rest.strip_prefix('[') {
                let (key, after) = inner.split_once(']')?;
                let quoted = ['\'', '"'].iter().find_map(|quote| key.strip_prefix(*quote)?.strip_suffix(*quote));
                steps.push(match quoted {
                    Some(name) => Step::Member(name.to_owned()),
                    None => Step::Item(key.trim().parse().ok()?),
                });
                rest = after;
                continue;
            }
            let name = rest.strip_prefix('.').unwrap_or(rest);
            let end = name.find(['.', '[']).unwrap_or(name.len());
            let (name, after) = name.split_at(end);
            if name.is_empty() || name == "*" {
                return None;
            }
            steps.push(Step::Member(name.to_owned()));
            rest = after;
        }
        Some(Self(steps))
    }

    /// Whether it leads to the root itself.
    pub(super) const fn is_root(&self) -> bool {
        self.0.is_empty()
    }

    /// What it leads to.
    pub(super) fn find<'v>(&self, root: &'v Value) -> Option<&'v Value> {
        self.0.iter().try_fold(root, |value, step| match step {
            Step::Member(name) => value.get(name),
            Step::Item(index) => value.get(index),
        })
    }
}

/// A value as the text that it becomes in a parameter: a text as it is, anything else as JSON.
pub(super) fn text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), ToOwned::to_owned)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_path_leads_to_members_and_items() {
        let root = json!({ "a": { "b c": [1, { "d": "x" }] }, "e": null });
        let cases = [
            ("$", Some(root.clone())),
            ("", Some(root.clone())),
            ("$.a['b c'][0]", Some(json!(1))),
            ("$.a[\"b c\"][1].d", Some(json!("x"))),
            ("a.f", None),
            ("e", Some(json!(null))),
            ("$.e.f", None),
            ("$.a['b c'][2]", None),
        ];
        for (path, expected) in cases {
            assert_eq!(JsonPath::parse(path).unwrap().find(&root).cloned(), expected, "{path}");
        }
        for path in ["$..a", "$.a[", "$.a[x]", "$.a[*]", "$.*", "$.a[?(@.b)]", "."] {
            assert_eq!(JsonPath::parse(path), None, "{path}");
        }
    }
}
