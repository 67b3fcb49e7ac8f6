//! Expressions: what is set, compared and given to functions.

use serde_json::Value;

use super::{
    Expression, Operator,
    parse::{Parsed, Parser},
};

/// Operators, the loosest first; the longer of two that begin alike is looked for first.
const OPERATORS: [&[(&str, Operator)]; 6] = [
    &[("||", Operator::Or), ("or ", Operator::Or)],
    &[("&&", Operator::And), ("and ", Operator::And)],
    &[("==", Operator::Equal), ("!=", Operator::Unequal), ("eq ", Operator::Equal), ("ne ", Operator::Unequal)],
    &[
        ("<=", Operator::LessOrEqual),
        (">=", Operator::GreaterOrEqual),
        ("<", Operator::Less),
        (">", Operator::Greater),
        ("lt ", Operator::Less),
        ("gt ", Operator::Greater),
    ],
    &[("+", Operator::Plus), ("-", Operator::Minus)],
    &[("*", Operator::Times), ("/", Operator::Divided), ("%", Operator::Remainder)],
];

impl<'t> Parser<'t> {
    /// Expressions with commas between them, up to the end.
    pub(super) fn list(&mut self, end: &str) -> Parsed<Vec<Expression>> {
        let mut list = Vec::new();
        self.blanks();
        if self.takes(end) {
            return Ok(list);
        }
        loop {
            list.push(self.expression(0)?);
            self.blanks();
            if self.takes(end) {
                return Ok(list);
            }
            self.needs(",")?;
        }
    }

    pub(super) fn expression(&mut self, level: usize) -> Parsed<Expression> {
        let Some(operators) = OPERATORS.get(level) else { return self.nested(Self::operand) };
        let mut left = self.expression(level + 1)?;
        loop {
            self.blanks();
            let rest = self.rest();
            let Some((text, operator)) = operators.iter().find(|(text, _)| rest.starts_with(text)) else {
                return Ok(left);
            };
            self.at += text.len();
            let right = self.expression(level + 1)?;
            left = Expression::Binary(*operator, Box::new(left), Box::new(right));
        }
    }

    fn operand(&mut self) -> Parsed<Expression> {
        self.blanks();
        if self.takes("!") {
            return Ok(Expression::Not(Box::new(self.nested(Self::operand)?)));
        }
        if self.takes("(") {
            let expression = self.expression(0)?;
            self.needs(")")?;
            return Ok(expression);
        }
        if self.takes("[") {
            return self.list("]").map(Expression::List);
        }
        if self.takes("{") {
            return self.map();
        }
        if let Some((reference, _)) = self.reference()? {
            return Ok(Expression::Reference(reference));
        }
        for quote in ['\'', '"'] {
            if let Some(inner) = self.rest().strip_prefix(quote) {
                return self.quoted(quote, inner);
            }
        }
        let rest = self.rest();
        let end = rest.find(|c: char| !(c.is_ascii_alphanumeric() || matches!(c, '.' | '-'))).unwrap_or(rest.len());
        let word = rest.get(..end).unwrap_or_default();
        let value = match word {
            "true" => Value::Bool(true),
            "false" => Value::Bool(false),
            "null" => Value::Null,
            _ => match word.parse::<serde_json::Number>() {
                Ok(number) => Value::Number(number),
                Err(_) => return self.refuse("a value is missing or uses syntax that is not emulated"),
            },
        };
        self.at += word.len();
        Ok(Expression::Literal(value))
    }

    /// A text; within one, two quotes are one. In double quotes there may be references.
    fn quoted(&mut self, quote: char, inner: &'t str) -> Parsed<Expression> {
        let mut text = String::new();
        let mut rest = inner;
        loop {
            let Some(end) = rest.find(quote) else { return self.refuse("an unterminated string") };
            text.push_str(rest.get(..end).unwrap_or_default());
            rest = rest.get(end + 1..).unwrap_or_default();
            let Some(after) = rest.strip_prefix(quote) else { break };
            text.push(quote);
            rest = after;
        }
        let start = self.at;
        self.at = self.text.len() - rest.len();
        if quote == '\'' || !text.contains(['$', '#']) {
            return Ok(Expression::Literal(Value::String(text)));
        }
        let mut parser = Parser { text: &text, at: 0, depth: self.depth };
        let nodes = parser.nodes();
        if parser.at < text.len() && nodes.is_ok() {
            return self.refuse("an #end, #else or #elseif whose block begins outside the string");
        }
        nodes.map(Expression::Text).or_else(|error| {
            self.at = start;
            self.refuse(error.text)
        })
    }

    fn map(&mut self) -> Parsed<Expression> {
        let mut entries = Vec::new();
        self.blanks();
        if self.takes("}") {
            return Ok(Expression::Map(entries));
        }
        loop {
            let key = self.expression(0)?;
            self.needs(":")?;
            entries.push((key, self.expression(0)?));
            self.blanks();
            if self.takes("}") {
                return Ok(Expression::Map(entries));
            }
            self.needs(",")?;
        }
    }
}
