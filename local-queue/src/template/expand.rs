//! What `CloudFormation` does to a template before it reads it: `AWS::Include`, and the loops of `AWS::LanguageExtensions`.

use std::collections::BTreeSet;

use super::{
    Diagnostic,
    document::{NODES_MAX, Yaml, YamlData, refused},
    evaluate::TemplateContext,
    input::Input,
    sources::{folder_of, is_local, relative, size},
    transforms::{INCLUDE, KNOWN, LANGUAGE_EXTENSIONS, macros},
};

const LOOP: &str = "Fn::ForEach";
/// Sections that may have loops (template reference, `Fn::ForEach`).
const LOOP_SECTIONS: [&str; 3] = ["Conditions", "Outputs", "Resources"];

/// A template with what was expanded, and what was said meanwhile.
#[derive(Default)]
pub(super) struct Said {
    pub(super) warnings: Vec<Diagnostic>,
    pub(super) diagnostics: Vec<Diagnostic>,
}

/// Puts in place of each `AWS::Include` what the file has.
pub(super) fn include(scope: &TemplateContext<'_>, input: &Input<'_>, said: &mut Said) -> Yaml {
    for name in macros(scope.root).into_iter().filter(|name| !KNOWN.contains(name)) {
        let text = format!("macro {name} is not run: the template stays as written");
        said.warnings.push(refused(scope.root.get("Transform").unwrap_or(scope.root), text));
    }
    Includer { scope, input, said, owner: None, depth: 0 }.node(scope.root)
}

struct Includer<'a> {
    scope: &'a TemplateContext<'a>,
    input: &'a Input<'a>,
    said: &'a mut Said,
    /// The resource that is looked at.
    owner: Option<String>,
    depth: usize,
}

impl Includer<'_> {
    fn node(&mut self, node: &Yaml) -> Yaml {
        let data = match &node.data {
            YamlData::List(list) => YamlData::List(list.iter().map(|node| self.node(node)).collect()),
            YamlData::Map(entries) => return self.map(node, entries),
            other => other.clone(),
        };
        Yaml { line: node.line, data }
    }

    fn map(&mut self, node: &Yaml, entries: &[(String, Yaml)]) -> Yaml {
        let mut whole: Vec<(String, Yaml)> = Vec::new();
        for (name, value) in entries {
            let locations = match name.as_str() {
                "Fn::Transform" => included_location(value).map(|location| vec![location]),
                "Transform" if self.depth == 0 => {
                    let all = value.as_list().unwrap_or(std::slice::from_ref(value));
                    Some(all.iter().filter_map(included_location).collect())
                }
                _ => None,
            };
            let Some(locations) = locations.filter(|locations| !locations.is_empty()) else {
                if self.depth == 1 {
                    self.owner = Some(name.clone());
                }
                self.depth += 1;
                let value = self.node(value);
                self.depth -= 1;
                whole.push((name.clone(), value));
                continue;
            };
            if name == "Transform" {
                whole.push((name.clone(), value.clone()));
            }
            for location in locations {
                match self.read(location) {
                    // What is the whole value may be anything; beside others it is entries.
                    Some(included) if entries.len() == 1 && self.depth > 0 => return included,
                    Some(included) if matches!(included.data, YamlData::Map(_)) => self.merge(&mut whole, included),
                    Some(included) => {
                        let text = format!("{INCLUDE} beside other keys takes a mapping, not {}", included.kind());
                        self.refuse(&included, text);
                    }
                    None if entries.len() == 1 && self.depth > 0 => {
                        return Yaml::unknown(location.line, &format!("{INCLUDE} of {}", shown(location)), "");
                    }
                    None => {}
                }
            }
        }
        Yaml { line: node.line, data: YamlData::Map(whole) }
    }

    fn merge(&mut self, whole: &mut Vec<(String, Yaml)>, included: Yaml) {
        let YamlData::Map(entries) = included.data else { return };
        for (name, value) in entries {
            match whole.iter_mut().find(|(known, _)| *known == name) {
                // Sections of a template that is in parts.
                Some((_, known)) if self.depth == 0 && matches!(known.data, YamlData::Map(_)) => {
                    if let (YamlData::Map(known), YamlData::Map(more)) = (&mut known.data, value.data) {
                        known.extend(more);
                    }
                }
                Some(_) => self.refuse(&value, format!("{name} is there twice: here, and where this is included")),
                None => whole.push((name, value)),
            }
        }
    }

    /// What a file has; nothing of one that cannot be read, which is then said.
    fn read(&mut self, location: &Yaml) -> Option<Yaml> {
        let text = match self.scope.text(location) {
            Ok(text) => text,
            Err(diagnostic) => {
                self.refuse(location, diagnostic.text);
                return None;
            }
        };
        let folder = self.input.options.folder.as_deref().filter(|_| is_local(&text));
        let Some(folder) = folder else {
            let text = format!("{INCLUDE} of {text} is not read: only files beside the template are");
            self.warn(location, text);
            return None;
        };
        let path = relative(folder_of(self.input.path.as_deref().unwrap_or_default()), &text);
        let read = self.input.sources.read(folder, &path);
        let read = read.map_err(|text| refused(location, text));
        match read.and_then(|text| self.input.sources.parse(Some(&path), &text)) {
            Ok(document) => {
                if document.has_short_forms {
                    let text = format!(
                        "{path} has short forms of functions, such as !Ref: {INCLUDE} does not read them at AWS; write Fn:: and \
                         Ref out"
                    );
                    self.warn(location, text);
                }
                if has_include(&document.root) {
                    self.refuse(location, format!("{path} has an {INCLUDE} itself, which AWS refuses"));
                    return None;
                }
                Some(document.root)
            }
            Err(diagnostic) => {
                self.said.diagnostics.push(Diagnostic { logical_id: self.owner.clone(), ..diagnostic });
                None
            }
        }
    }

    fn refuse(&mut self, node: &Yaml, text: String) {
        self.said.diagnostics.push(Diagnostic { logical_id: self.owner.clone(), ..refused(node, text) });
    }

    fn warn(&mut self, node: &Yaml, text: String) {
        self.said.warnings.push(Diagnostic { logical_id: self.owner.clone(), ..refused(node, text) });
    }
}

/// The location that a macro includes, if it is the one that includes.
fn included_location(node: &Yaml) -> Option<&Yaml> {
    node.get("Name").filter(|name| name.as_text() == Some(INCLUDE))?;
    node.get("Parameters")?.get("Location")
}

fn has_include(node: &Yaml) -> bool {
    let within = |(name, node): &(String, Yaml)| {
        name == "Fn::Transform" && included_location(node).is_some() || has_include(node)
    };
    node.entries().iter().any(within) || node.as_list().unwrap_or_default().iter().any(has_include)
}

fn shown(location: &Yaml) -> &str {
    location.as_text().unwrap_or("a location that is not known here")
}

/// Writes out the loops.
pub(super) fn loops(scope: &TemplateContext<'_>, said: &mut Said) -> Yaml {
    let has_extensions = macros(scope.root).contains(&LANGUAGE_EXTENSIONS);
    let left = NODES_MAX.saturating_sub(size(scope.root));
    let mut looper = Looper { scope, said, has_extensions, owner: None, left, names: BTreeSet::new() };
    let sections = scope.root.entries().iter().map(|(section, node)| {
        let is_looped = LOOP_SECTIONS.contains(&section.as_str());
        let node = if is_looped { looper.section(section, node) } else { node.clone() };
        (section.clone(), node)
    });
    let data = YamlData::Map(sections.collect());
    Yaml { line: scope.root.line, data }
}

/// An identifier of a loop, and the value that it has now.
struct Bound {
    identifier: String,
    value: String,
}

impl Bound {
    /// A text with the value in place of the identifier; `&{}` takes its letters and digits only.
    fn within(&self, text: &str) -> String {
        let Self { identifier, value } = self;
        let plain: String = value.chars().filter(char::is_ascii_alphanumeric).collect();
        text.replace(&format!("${{{identifier}}}"), value).replace(&format!("&{{{identifier}}}"), &plain)
    }
}

struct Looper<'a> {
    scope: &'a TemplateContext<'a>,
    said: &'a mut Said,
    has_extensions: bool,
    owner: Option<String>,
    /// Nodes that may still be made.
    left: usize,
    /// Of all loops.
    names: BTreeSet<String>,
}

impl Looper<'_> {
    fn section(&mut self, section: &str, node: &Yaml) -> Yaml {
        let mut whole = Vec::new();
        for (name, value) in node.entries() {
            self.owner = Some(name.clone());
            self.entry(&mut whole, name, value, &[]);
        }
        if section != "Resources" || !matches!(node.data, YamlData::Map(_)) {
            self.owner = None;
        }
        let data = if let YamlData::Map(_) = node.data { YamlData::Map(whole) } else { node.data.clone() };
        Yaml { line: node.line, data }
    }

    fn entry(&mut self, whole: &mut Vec<(String, Yaml)>, name: &str, value: &Yaml, bound: &[Bound]) {
        if name.starts_with(LOOP) {
            self.written_out(whole, name, value, bound);
            return;
        }
        let name = replaced(name, bound);
        if whole.iter().any(|(known, _)| *known == name) {
            self.refuse(value, format!("{name} is there twice"));
            return;
        }
        let value = self.node(value, bound);
        whole.push((name, value));
    }

    fn node(&mut self, node: &Yaml, bound: &[Bound]) -> Yaml {
        if !bound.is_empty() {
            self.left = self.left.saturating_sub(1);
        }
        let data = match &node.data {
            YamlData::Scalar { text, plain } => YamlData::Scalar { text: replaced(text, bound), plain: *plain },
            YamlData::List(list) => YamlData::List(list.iter().map(|node| self.node(node, bound)).collect()),
            YamlData::Map(entries) => {
                if let [(name, target)] = entries.as_slice()
                    && name == "Ref"
                    && let Some(found) = bound.iter().find(|it| target.as_text() == Some(&it.identifier))
                {
                    return Yaml::text(node.line, &found.value);
                }
                let mut whole = Vec::with_capacity(entries.len());
                for (name, value) in entries {
                    self.entry(&mut whole, name, value, bound);
                }
                YamlData::Map(whole)
            }
            other => other.clone(),
        };
        Yaml { line: node.line, data }
    }

    /// Adds what a loop makes to the entries among which it stands.
    fn written_out(&mut self, whole: &mut Vec<(String, Yaml)>, name: &str, node: &Yaml, bound: &[Bound]) {
        if !self.has_extensions {
            return self.refuse(node, format!("{LOOP} needs Transform: {LANGUAGE_EXTENSIONS}"));
        }
        let own_name = name.strip_prefix("Fn::ForEach::").unwrap_or_default();
        if own_name.is_empty() || !own_name.chars().all(|c| c.is_ascii_alphanumeric()) {
            return self.refuse(node, format!("a loop needs a name of letters and digits, as in {LOOP}::Name"));
        }
        if bound.is_empty() && !self.names.insert(own_name.to_owned()) || self.scope.resource(own_name).is_some() {
            return self.refuse(node, format!("{own_name} is the name of another loop or of a resource"));
        }
        let Some([identifier, collection, fragment]) = node.as_list() else {
            let text = format!("{LOOP} expects a list of 3: an identifier, a collection and a mapping");
            return self.refuse(node, text);
        };
        let identifier = identifier.as_text().filter(|text| text.chars().all(|c| c.is_ascii_alphanumeric()));
        let Some(identifier) =
            identifier.filter(|it| !it.is_empty() && bound.iter().all(|bound| bound.identifier != *it))
        else {
            return self
                .refuse(node, format!("{LOOP} takes an identifier of letters and digits that no loop around has"));
        };
        if !matches!(fragment.data, YamlData::Map(_)) {
            return self.refuse(fragment, format!("{LOOP} takes a mapping as its third, not {}", fragment.kind()));
        }
        let Some(values) = self.collection(collection, bound) else { return };
        for value in values {
            if self.left == 0 {
                return self.refuse(node, format!("{LOOP} would make more than {NODES_MAX} values"));
            }
            let mut inner: Vec<_> =
                bound.iter().map(|it| Bound { identifier: it.identifier.clone(), value: it.value.clone() }).collect();
            inner.push(Bound { identifier: identifier.to_owned(), value });
            for (key, value) in fragment.entries() {
                let is_named = ["${", "&{"].iter().any(|open| key.contains(&format!("{open}{identifier}}}")));
                if !is_named && !key.starts_with(LOOP) {
                    self.refuse(value, format!("key {key} needs ${{{identifier}}} or &{{{identifier}}}"));
                    return;
                }
                self.entry(whole, key, value, &inner);
            }
        }
    }

    /// The values of a loop; none if they cannot be told, which is then said.
    fn collection(&mut self, node: &Yaml, bound: &[Bound]) -> Option<Vec<String>> {
        let node = self.node(node, bound);
        let found = self.scope.evaluate(&node);
        let found = match found {
            Ok(found) => found.unwrap_or_else(|| node.clone()),
            Err(diagnostic) => {
                self.refuse(&node, diagnostic.text);
                return None;
            }
        };
        let texts = found.as_list().map(|list| list.iter().map(|it| it.as_text().map(ToOwned::to_owned)).collect());
        let texts: Option<Option<Vec<_>>> = texts;
        if texts.as_ref().is_none_or(Option::is_none) {
            let what = found.first_unknown().unwrap_or(found.kind());
            self.refuse(&node, format!("{LOOP} expects a list of strings as its collection, not {what}"));
        }
        texts.flatten()
    }

    fn refuse(&mut self, node: &Yaml, text: String) {
        self.said.diagnostics.push(Diagnostic { logical_id: self.owner.clone(), ..refused(node, text) });
    }
}

fn replaced(text: &str, bound: &[Bound]) -> String {
    bound.iter().fold(text.to_owned(), |text, bound| bound.within(&text))
}
