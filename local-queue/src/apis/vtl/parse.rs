//! From text to a tree.

use super::{Expression, MappingTemplateError, Node, OF_INPUT, OF_UTIL, Reference, Step, values};

/// Nodes within nodes: more is no template that anybody wrote.
const DEPTH_MAX: usize = 50;
/// Directives of Velocity that are not emulated.
const OTHERS: [&str; 7] = ["break", "define", "evaluate", "include", "macro", "parse", "stop"];
pub(super) type Parsed<T> = Result<T, MappingTemplateError>;

pub(super) fn parse(text: &str) -> Parsed<Vec<Node>> {
    let mut parser = Parser { text, at: 0, depth: 0 };
    let nodes = parser.nodes()?;
    if parser.at < text.len() {
        return parser.refuse("an #end, #else or #elseif without a block");
    }
    Ok(nodes)
}

/// What is read, and how far that has come.
pub(super) struct Parser<'t> {
    pub(super) text: &'t str,
    pub(super) at: usize,
    pub(super) depth: usize,
}

impl<'t> Parser<'t> {
    pub(super) fn rest(&self) -> &'t str {
        self.text.get(self.at..).unwrap_or_default()
    }

    pub(super) fn refuse<T>(&self, text: impl Into<String>) -> Parsed<T> {
        let before = self.text.get(..self.at).unwrap_or_default();
        let line = before.bytes().filter(|byte| *byte == b'\n').count() + 1;
        Err(MappingTemplateError { line, text: text.into() })
    }

    pub(super) fn takes(&mut self, wanted: &str) -> bool {
        let is_there = self.rest().starts_with(wanted);
        if is_there {
            self.at += wanted.len();
        }
        is_there
    }

    pub(super) fn needs(&mut self, wanted: &str) -> Parsed<()> {
        self.blanks();
        if self.takes(wanted) { Ok(()) } else { self.refuse(format!("{wanted} is missing")) }
    }

    pub(super) fn blanks(&mut self) {
        self.at += self.rest().len() - self.rest().trim_start().len();
    }

    /// What is left of the line behind a directive, if that is nothing.
    fn end_of_line(&mut self) {
        let rest = self.rest();
        let left = rest.trim_start_matches([' ', '\t', '\r']);
        if let Some(after) = left.strip_prefix('\n') {
            self.at += rest.len() - after.len();
        }
    }

    fn name(&mut self) -> &'t str {
        let rest = self.rest();
        let is_first = rest.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
        let end = rest.find(|c: char| !(c.is_ascii_alphanumeric() || matches!(c, '_' | '-'))).unwrap_or(rest.len());
        // A hyphen at the end is a minus, or text.
        let name = if is_first { rest.get(..end).unwrap_or_default().trim_end_matches('-') } else { "" };
        self.at += name.len();
        name
    }

    pub(super) fn nested<T>(&mut self, parse: impl FnOnce(&mut Self) -> Parsed<T>) -> Parsed<T> {
        self.depth += 1;
        if self.depth > DEPTH_MAX {
            return self.refuse(format!("it is nested more than {DEPTH_MAX} deep"));
        }
        let parsed = parse(self);
        self.depth -= 1;
        parsed
    }

    /// Everything up to the end, or to what ends a block.
    pub(super) fn nodes(&mut self) -> Parsed<Vec<Node>> {
        self.nested(|parser| {
            let mut nodes = Vec::new();
            let mut text = String::new();
            while let Some(next) = parser.rest().chars().next() {
                if next == '#' && parser.directive_name().is_some_and(|name| matches!(name, "end" | "else" | "elseif"))
                {
                    break;
                }
                let node = match next {
                    '#' => parser.directive(&mut text)?,
                    '$' => parser.reference_node()?,
                    '\\' if parser.rest().starts_with("\\$") => {
                        parser.at += 1;
                        None
                    }
                    _ => None,
                };
                if let Some(node) = node {
                    if !text.is_empty() {
                        nodes.push(Node::Text(std::mem::take(&mut text)));
                    }
                    nodes.push(node);
                } else if parser.rest().starts_with(next) || next == '\\' {
                    let taken = parser.rest().chars().next().unwrap_or(next);
                    text.push(taken);
                    parser.at += taken.len_utf8();
                }
            }
            if !text.is_empty() {
                nodes.push(Node::Text(text));
            }
            Ok(nodes)
        })
    }

    /// The name of the directive that stands here.
    fn directive_name(&self) -> Option<&'t str> {
        let rest = self.rest().strip_prefix('#')?;
        let rest = rest.strip_prefix('{').unwrap_or(rest);
        let end = rest.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(rest.len());
        rest.get(..end)
    }

    fn skip_directive_name(&mut self, name: &str) {
        let braces = if self.rest().starts_with("#{") { 3 } else { 1 };
        self.at += braces + name.len();
    }

    /// A directive; nothing of a comment, nor of a `#` that begins none.
    fn directive(&mut self, text: &mut String) -> Parsed<Option<Node>> {
        if self.rest().starts_with("##") {
            let rest = self.rest();
            self.at += rest.find('\n').map_or(rest.len(), |end| end + 1);
            return Ok(None);
        }
        if self.rest().starts_with("#*") {
            let rest = self.rest();
            let Some(end) = rest.find("*#") else { return self.refuse("an unterminated comment #*") };
            self.at += end + 2;
            return Ok(None);
        }
        match self.directive_name().unwrap_or_default() {
            name @ "set" => {
                self.skip_directive_name(name);
                self.set().map(Some)
            }
            name @ "if" => {
                self.skip_directive_name(name);
                self.conditional().map(Some)
            }
            name @ "foreach" => {
                self.skip_directive_name(name);
                self.for_each().map(Some)
            }
            name if OTHERS.contains(&name) => self.refuse(format!("#{name} is not emulated")),
            _ => {
                text.push('#');
                self.at += 1;
                Ok(None)
            }
        }
    }

    fn set(&mut self) -> Parsed<Node> {
        self.needs("(")?;
        self.blanks();
        let Some(target) = self.reference()?.map(|(reference, ..)| reference) else {
            return self.refuse("#set expects a variable");
        };
        let is_override = target.root == "context";
        if is_override {
            let names = target
                .steps
                .iter()
                .filter_map(|step| if let Step::Member(name) = step { Some(name.as_str()) } else { None });
            let names = names.collect::<Vec<_>>();
            if !matches!(names.as_slice(), ["responseOverride", "status"] | ["responseOverride", "header", _]) {
                return self
                    .refuse("of $context, only responseOverride.status and responseOverride.header can be set here");
            }
        } else if !target.steps.is_empty() {
            return self.refuse("#set of a part of a variable is not emulated");
        }
        self.needs("=")?;
        let value = self.expression(0)?;
        self.needs(")")?;
        self.end_of_line();
        Ok(Node::Set(target, value))
    }

    fn conditional(&mut self) -> Parsed<Node> {
        let mut branches = Vec::new();
        let mut condition = Some(self.in_brackets()?);
        loop {
            self.end_of_line();
            let body = self.nodes()?;
            let had_condition = condition.is_some();
            branches.push((condition.take(), body));
            match self.directive_name() {
                Some(name @ "elseif") if had_condition => {
                    self.skip_directive_name(name);
                    condition = Some(self.in_brackets()?);
                }
                Some(name @ "else") if had_condition => self.skip_directive_name(name),
                Some(name @ "end") => {
                    self.skip_directive_name(name);
                    self.end_of_line();
                    return Ok(Node::If(branches));
                }
                _ => return self.refuse("an #if without an #end"),
            }
        }
    }

    fn in_brackets(&mut self) -> Parsed<Expression> {
        self.needs("(")?;
        let expression = self.expression(0)?;
        self.needs(")")?;
        Ok(expression)
    }

    fn for_each(&mut self) -> Parsed<Node> {
        self.needs("(")?;
        self.blanks();
        let Some(variable) = self.reference()?.map(|(it, ..)| it).filter(|it| it.steps.is_empty()) else {
            return self.refuse("#foreach expects a variable");
        };
        self.needs("in")?;
        let over = self.expression(0)?;
        self.needs(")")?;
        self.end_of_line();
        let body = self.nodes()?;
        if self.directive_name() != Some("end") {
            return self.refuse("a #foreach without an #end");
        }
        self.skip_directive_name("end");
        self.end_of_line();
        Ok(Node::ForEach(variable.root, over, body))
    }

    fn reference_node(&mut self) -> Parsed<Option<Node>> {
        let start = self.at;
        let found = self.reference()?;
        Ok(found.map(|(reference, is_silent)| {
            let source = self.text.get(start..self.at).unwrap_or_default().to_owned();
            Node::Reference { reference, source, is_silent }
        }))
    }

    /// A reference, and whether it is silent; nothing of a `$` that begins none.
    pub(super) fn reference(&mut self) -> Parsed<Option<(Reference, bool)>> {
        let start = self.at;
        if !self.takes("$") {
            return Ok(None);
        }
        let is_silent = self.takes("!");
        let has_braces = self.takes("{");
        let root = self.name().to_owned();
        if root.is_empty() {
            self.at = start;
            return Ok(None);
        }
        let steps = self.nested(Self::steps)?;
        if has_braces && !self.takes("}") {
            return self.refuse("an unterminated ${");
        }
        self.check(&root, &steps)?;
        Ok(Some((Reference { root, steps }, is_silent)))
    }

    fn steps(&mut self) -> Parsed<Vec<Step>> {
        let mut steps = Vec::new();
        loop {
            let start = self.at;
            if self.takes("[") {
                let item = self.expression(0)?;
                self.needs("]")?;
                steps.push(Step::Item(Box::new(item)));
            } else if self.takes(".") {
                let name = self.name().to_owned();
                if name.is_empty() {
                    // A full stop.
                    self.at = start;
                    return Ok(steps);
                }
                let step = if self.takes("(") {
                    let arguments = self.list(")")?;
                    Step::Call(name, arguments)
                } else {
                    Step::Member(name)
                };
                steps.push(step);
            } else {
                return Ok(steps);
            }
        }
    }

    /// Refuses functions that are not known.
    fn check(&self, root: &str, steps: &[Step]) -> Parsed<()> {
        let known: Option<&[&str]> = match root {
            "input" => Some(&OF_INPUT),
            "util" => Some(&OF_UTIL),
            _ => None,
        };
        for (index, step) in steps.iter().enumerate() {
            let (Step::Call(name, _) | Step::Member(name)) = step else { continue };
            let of_root = known.filter(|_| index == 0);
            let is_known = match (of_root, step) {
                (Some(known), _) => known.contains(&name.as_str()),
                (None, Step::Call(..)) => values::METHODS.contains(&name.as_str()),
                (None, _) => true,
            };
            if !is_known {
                let known = of_root.unwrap_or(&values::METHODS).join(", ");
                return self.refuse(format!("${root} has no function {name} here; there are {known}"));
            }
        }
        Ok(())
    }
}
