//! HOCON as far as files of queues need it: objects, lists, texts and what stands for texts, with the place of each.
//!
//! Left out are substitutions, which are kept as they are written, and `include`, which is for the reader to judge.

/// Objects in objects.
const DEPTH_MAX: usize = 32;

/// A value, and where it begins.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Node {
    pub(super) at: usize,
    pub(super) value: Value,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Value {
    Object(Vec<Member>),
    List(Vec<Node>),
    /// A text in quotes or without, a number, true or false; parts beside each other are one.
    Text(String),
    /// One with `${NAME}` in it, as it is written.
    Substitution(String),
}

/// A key with its value.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Member {
    pub(super) key: String,
    pub(super) at: usize,
    pub(super) node: Node,
}

/// What a file has.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Document {
    pub(super) members: Vec<Member>,
    /// What is behind each `include`, and where.
    pub(super) includes: Vec<(usize, String)>,
}

/// Where it goes wrong, and what was expected there.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct SyntaxError {
    pub(super) at: usize,
    pub(super) text: String,
}

impl Node {
    pub(super) const fn as_object(&self) -> Option<&Vec<Member>> {
        match &self.value {
            Value::Object(members) => Some(members),
            _ => None,
        }
    }

    /// The value as an error shows it.
    pub(super) fn shown(&self) -> String {
        match &self.value {
            Value::Object(_) => "an object".to_owned(),
            Value::List(_) => "a list".to_owned(),
            Value::Text(text) => format!("{text:?}"),
            Value::Substitution(text) => format!("{text:?}, because substitutions are not read"),
        }
    }
}

/// Reads a file, whose outermost braces may be left out.
pub(super) fn parse(text: &str) -> Result<Document, SyntaxError> {
    let mut parser = Parser { text, at: 0, includes: Vec::new() };
    parser.skip_gap();
    let has_braces = parser.take("{");
    let mut members = Vec::new();
    parser.members(&mut members, has_braces, 0)?;
    parser.skip_gap();
    if parser.at < text.len() {
        return Err(parser.expected("the end of the file"));
    }
    Ok(Document { members, includes: parser.includes })
}

struct Parser<'a> {
    text: &'a str,
    at: usize,
    includes: Vec<(usize, String)>,
}

impl<'a> Parser<'a> {
    fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    fn take(&mut self, token: &str) -> bool {
        let is_there = self.rest().starts_with(token);
        if is_there {
            self.at += token.len();
        }
        is_there
    }

    fn expected(&self, what: &str) -> SyntaxError {
        let found = self.peek().map_or_else(|| "the end of the file".to_owned(), |found| format!("{found:?}"));
        SyntaxError { at: self.at, text: format!("expected {what}, not {found}") }
    }

    /// Skips blanks of a line.
    fn skip_blanks(&mut self) {
        let blanks = self.rest().trim_start_matches(|it: char| it != '\n' && (it.is_whitespace() || it == '\u{feff}'));
        self.at = self.text.len() - blanks.len();
    }

    /// Skips blanks, ends of lines and comments.
    fn skip_gap(&mut self) {
        loop {
            self.skip_blanks();
            if self.rest().starts_with('#') || self.rest().starts_with("//") {
                self.at += self.rest().find('\n').unwrap_or(self.rest().len());
            } else if !self.take("\n") {
                return;
            }
        }
    }

    /// Skips what may stand between two members or items.
    fn skip_separator(&mut self) {
        self.skip_gap();
        if self.take(",") {
            self.skip_gap();
        }
    }

    fn members(&mut self, members: &mut Vec<Member>, has_braces: bool, depth: usize) -> Result<(), SyntaxError> {
        if depth > DEPTH_MAX {
            return Err(SyntaxError { at: self.at, text: format!("objects are nested more than {DEPTH_MAX} deep") });
        }
        loop {
            self.skip_separator();
            match self.peek() {
                None if !has_braces => return Ok(()),
                None => return Err(self.expected("a key or }")),
                Some('}') if has_braces => {
                    self.at += 1;
                    return Ok(());
                }
                Some(_) if self.take_include() => {}
                Some(_) => self.member(members, depth)?,
            }
        }
    }

    /// Takes an `include` with what is to be included, to the end of the line.
    fn take_include(&mut self) -> bool {
        let Some(rest) = self.rest().strip_prefix("include") else { return false };
        let line = rest.split('\n').next().unwrap_or_default();
        let what = line.trim_start();
        // A key may be called so.
        let names = ["\"", "classpath(", "file(", "package(", "required(", "url("];
        if what.len() == line.len() || !names.iter().any(|name| what.starts_with(name)) {
            return false;
        }
        let what = what.split('#').next().unwrap_or_default();
        let what = what.split_once(" //").map_or(what, |(what, _)| what);
        self.includes.push((self.at, what.trim().trim_end_matches(',').trim_end().to_owned()));
        self.at += "include".len() + line.len();
        true
    }

    fn member(&mut self, members: &mut Vec<Member>, depth: usize) -> Result<(), SyntaxError> {
        let at = self.at;
        let path = self.key()?;
        self.skip_blanks();
        if self.rest().starts_with("+=") {
            return Err(self.expected("= or : or {"));
        }
        if !self.rest().starts_with('{') {
            if !self.take("=") && !self.take(":") {
                return Err(self.expected("= or : or {"));
            }
            self.skip_gap();
        }
        let node = self.value(depth)?;
        insert(members, &path, at, node);
        Ok(())
    }

    /// A key, whose parts between dots are keys of objects in objects.
    fn key(&mut self) -> Result<Vec<String>, SyntaxError> {
        let mut path = vec![String::new()];
        let start = self.at;
        loop {
            let part = path.last_mut().expect("there is a part");
            match self.peek() {
                Some('"') => part.push_str(&self.quoted()?),
                Some('.') => {
                    self.at += 1;
                    path.push(String::new());
                }
                Some(it) if it.is_alphanumeric() || matches!(it, '-' | '_' | '/' | '@') => {
                    part.push(it);
                    self.at += it.len_utf8();
                }
                _ => break,
            }
        }
        if self.at == start {
            return Err(self.expected("a key"));
        }
        if path.len() > 1 && path.iter().any(String::is_empty) {
            return Err(SyntaxError { at: start, text: "a part of the key between dots is empty".to_owned() });
        }
        if path.len() > DEPTH_MAX {
            return Err(SyntaxError { at: start, text: format!("a key has more than {DEPTH_MAX} parts") });
        }
        Ok(path)
    }

    fn value(&mut self, depth: usize) -> Result<Node, SyntaxError> {
        let at = self.at;
        let value = match self.peek() {
            Some('{') => {
                self.at += 1;
                let mut members = Vec::new();
                self.members(&mut members, true, depth + 1)?;
                Value::Object(members)
            }
            Some('[') => Value::List(self.list(depth + 1)?),
            _ => self.text()?,
        };
        Ok(Node { at, value })
    }

    fn list(&mut self, depth: usize) -> Result<Vec<Node>, SyntaxError> {
        if depth > DEPTH_MAX {
            return Err(SyntaxError { at: self.at, text: format!("lists are nested more than {DEPTH_MAX} deep") });
        }
        self.at += 1;
        let mut items = Vec::new();
        loop {
            self.skip_separator();
            match self.peek() {
                None => return Err(self.expected("a value or ]")),
                Some(']') => {
                    self.at += 1;
                    return Ok(items);
                }
                Some(_) => items.push(self.value(depth)?),
            }
        }
    }

    /// Texts beside each other, to the end of the line or of the value.
    fn text(&mut self) -> Result<Value, SyntaxError> {
        let (start, mut text, mut has_substitution, mut quoted_to) = (self.at, String::new(), false, 0);
        loop {
            match self.peek() {
                Some('"') => {
                    text.push_str(&self.quoted()?);
                    quoted_to = text.len();
                }
                Some('$') if self.rest().starts_with("${") => {
                    has_substitution = true;
                    let Some(end) = self.rest().find('}') else {
                        return Err(self.expected("a substitution that ends in }"));
                    };
                    self.at += end + 1;
                    text.push('$');
                }
                None | Some('\n' | ',' | '}' | ']' | '#') => break,
                Some(_) if self.rest().starts_with("//") => break,
                Some(found @ ('{' | '[' | '=' | ':')) if text.trim().is_empty() || matches!(found, '{' | '[' | '=') => {
                    return Err(self.expected("a value, then the end of the line or a comma"));
                }
                Some(it) => {
                    text.push(it);
                    self.at += it.len_utf8();
                }
            }
        }
        if self.at == start {
            return Err(self.expected("a value"));
        }
        if has_substitution {
            return Ok(Value::Substitution(self.text[start..self.at].trim().to_owned()));
        }
        // Blanks at the end are none of the value, unless they are in quotes.
        let end = text.trim_end().len().max(quoted_to);
        text.truncate(end);
        Ok(Value::Text(text))
    }

    fn quoted(&mut self) -> Result<String, SyntaxError> {
        let start = self.at;
        let unended = |at| SyntaxError { at, text: "unterminated quoted string".to_owned() };
        if self.take("\"\"\"") {
            let end = self.rest().find("\"\"\"").ok_or_else(|| unended(start))?;
            let text = self.rest()[..end].to_owned();
            self.at += end + 3;
            return Ok(text);
        }
        let mut is_escaped = false;
        let end = self.rest().char_indices().skip(1).find(|(_, it)| {
            let is_end = !is_escaped && matches!(it, '"' | '\n');
            is_escaped = !is_escaped && *it == '\\';
            is_end
        });
        let end = end.filter(|(_, it)| *it == '"').map(|(end, _)| end).ok_or_else(|| unended(start))?;
        let text = &self.rest()[..=end];
        self.at += text.len();
        serde_json::from_str(text)
            .map_err(|_| SyntaxError { at: start, text: format!("{text} is no text as JSON spells it") })
    }
}

/// Sets a member at a path. Objects of the same key are one, and of other values the last counts.
fn insert(members: &mut Vec<Member>, path: &[String], at: usize, node: Node) {
    let Some((key, below)) = path.split_first() else { return };
    let node = match below {
        [] => node,
        below => {
            let mut inner = Vec::new();
            insert(&mut inner, below, at, node);
            Node { at, value: Value::Object(inner) }
        }
    };
    match members.iter_mut().find(|member| member.key == *key) {
        None => members.push(Member { key: key.clone(), at, node }),
        Some(before) => match (&mut before.node.value, node.value) {
            (Value::Object(before), Value::Object(added)) => {
                for member in added {
                    insert(before, &[member.key], member.at, member.node);
                }
            }
            (_, value) => *before = Member { key: key.clone(), at, node: Node { at: node.at, value } },
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A document on one line: `key=value`, objects in braces.
    fn shown(members: &[Member]) -> String {
        let members = members.iter().map(|Member { key, node, .. }| match &node.value {
            Value::Object(members) => format!("{key}{{{}}}", shown(members)),
            Value::List(items) => format!("{key}[{}]", items.len()),
            Value::Text(text) => format!("{key}={text}"),
            Value::Substitution(text) => format!("{key}={text}?"),
        });
        members.collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn objects_are_read_in_each_way_that_they_are_written() {
        for (text, expected) in [
            ("", ""),
            ("{}", ""),
            ("a = 1", "a=1"),
            ("{ \"a\" : 1, b: true }", "a=1 b=true"),
            ("a { b = 10 seconds // ten\n c = \"x\" # y\n}", "a{b=10 seconds c=x}"),
            ("a.b.c = 1\na.b.d = 2\n", "a{b{c=1 d=2}}"),
            ("\"a.b\" { }", "a.b{}"),
            ("a = 1\na = 2", "a=2"),
            ("a { b = 1 }\na { c = 2 }", "a{b=1 c=2}"),
            ("a = [1, 2\n 3]", "a[3]"),
            ("a = \"\"\"b\"c\"\"\"", "a=b\"c"),
            ("a = \"b \" c \nd=e", "a=b  c d=e"),
            ("a =\n  { b = 1 }", "a{b=1}"),
            ("a = jdbc:h2:mem", "a=jdbc:h2:mem"),
            ("url = http:", "url=http:"),
            ("port = ${PORT}\nhost = x${?HOST}", "port=${PORT}? host=x${?HOST}?"),
            ("\u{feff}a = 1\r\nb = 2\r\n", "a=1 b=2"),
            ("a{b{c{}}}", "a{b{c{}}}"),
            ("include = 1", "include=1"),
            ("include classpath(\"application.conf\") // all\na = 1", "a=1"),
        ] {
            assert_eq!(parse(text).map(|document| shown(&document.members)).as_deref(), Ok(expected), "{text:?}");
        }
        let includes = parse("include \"a\"\nx { include file(\"b\"), \n}").unwrap().includes;
        assert_eq!(includes, [(0, "\"a\"".to_owned()), (16, "file(\"b\")".to_owned())]);
    }

    #[test]
    fn what_is_no_hocon_is_refused_where_it_goes_wrong() {
        for (text, at, expected) in [
            ("a", 1, "expected = or : or {, not the end of the file"),
            ("a {", 3, "expected a key or }, not the end of the file"),
            ("a = }", 4, "expected a value, not '}'"),
            ("a = 1 }", 6, "expected a key, not '}'"),
            ("{a = 1} b", 8, "expected the end of the file, not 'b'"),
            ("a = \"b", 4, "unterminated quoted string"),
            ("a = \"b\n\"", 4, "unterminated quoted string"),
            ("a = \"\\x\"", 4, "\"\\x\" is no text as JSON spells it"),
            ("a += 1", 2, "expected = or : or {, not '+'"),
            ("a = [1", 6, "expected a value or ], not the end of the file"),
            ("a = b {}", 6, "expected a value, then the end of the line or a comma, not '{'"),
            ("a = b = c", 6, "expected a value, then the end of the line or a comma, not '='"),
            ("a..b = 1", 0, "a part of the key between dots is empty"),
            ("*", 0, "expected a key, not '*'"),
            ("a = ${b", 4, "expected a substitution that ends in }, not '$'"),
        ] {
            assert_eq!(parse(text), Err(SyntaxError { at, text: expected.to_owned() }), "{text:?}");
        }
        for open in ["a{", "a=[", "[", "a."] {
            assert!(parse(&open.repeat(100_000)).is_err(), "{open}");
        }
    }

    #[test]
    fn no_text_makes_it_panic() {
        let sample = "include \"x\"\na { b = \"c\\n\" d = ${e} }\n# f\nf.\"g\" : [1, \"\"\"h\"\"\"] // \u{e4}\u{1f600}";
        let mut random = fastrand::Rng::with_seed(1);
        for _ in 0..20_000 {
            let mut text = sample.chars().collect::<Vec<_>>();
            for _ in 0..random.usize(1..6) {
                let index = random.usize(..text.len().max(1));
                match random.u8(..3) {
                    0 if index < text.len() => drop(text.remove(index)),
                    1 => text.insert(
                        index,
                        *random.choice(&['{', '}', '"', '\\', '=', '$', '.', '\n', '/', '\u{e4}']).unwrap(),
                    ),
                    _ => text.truncate(index.max(1)),
                }
            }
            let text = text.into_iter().collect::<String>();
            if let Err(error) = parse(&text) {
                assert!(text.is_char_boundary(error.at), "{text:?}");
            }
        }
    }
}
