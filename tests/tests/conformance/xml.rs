//! As much of an XML reader as the answers of SQS need: elements and text, no comments, no sections.

use std::{iter::Peekable, str::Chars};

/// An element with its attributes as they stand, its text, and the elements in it.
#[derive(Debug)]
pub(crate) struct Element {
    pub(crate) name: String,
    pub(crate) attributes: String,
    pub(crate) text: String,
    pub(crate) children: Vec<Element>,
}

impl Element {
    /// Reads a document: a declaration and one element.
    pub(crate) fn parse(document: &str) -> Self {
        // The characters of XML 1.0, which a reader insists on.
        let is_xml = |character: char| matches!(character, '\t' | '\n' | '\r' | ' '..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'..);
        assert!(document.chars().all(is_xml), "a character that XML does not have: {document:?}");
        let rest = document.strip_prefix("<?xml version=\"1.0\"?>").expect("the document begins with its declaration");
        let mut characters = rest.chars().peekable();
        assert_eq!(characters.next(), Some('<'), "an element follows the declaration: {document}");
        let element = Self::read(&mut characters);
        assert_eq!(characters.next(), None, "nothing follows the element: {document}");
        element
    }

    /// Reads an element whose `<` has been read.
    fn read(characters: &mut Peekable<Chars<'_>>) -> Self {
        let tag = until(characters, '>');
        let (tag, mut is_open) = tag.strip_suffix('/').map_or((&*tag, true), |tag| (tag, false));
        let (name, attributes) = tag.split_once(' ').unwrap_or((tag, ""));
        let (name, attributes) = (name.to_owned(), attributes.to_owned());
        let mut element = Self { name, attributes, text: String::new(), children: Vec::new() };
        while is_open {
            match characters.next().expect("the element is closed") {
                '<' if characters.peek() == Some(&'/') => {
                    assert_eq!(until(characters, '>'), format!("/{}", element.name), "elements are closed in order");
                    is_open = false;
                }
                '<' => element.children.push(Self::read(characters)),
                '&' => element.text.push(entity(&until(characters, ';'))),
                // A reader of XML takes a carriage return for a line feed, unless it is escaped.
                '\r' => element.text.push('\n'),
                other => element.text.push(other),
            }
        }
        element
    }

    /// The text of the one child of this name.
    pub(crate) fn child_text(&self, name: &str) -> Option<&str> {
        self.child(name).map(|child| child.text.as_str())
    }

    pub(crate) fn child(&self, name: &str) -> Option<&Self> {
        self.children.iter().find(|child| child.name == name)
    }
}

fn until(characters: &mut Peekable<Chars<'_>>, end: char) -> String {
    characters.take_while(|character| *character != end).collect()
}

fn entity(name: &str) -> char {
    match name {
        "amp" => '&',
        "lt" => '<',
        "gt" => '>',
        "quot" => '"',
        "apos" => '\'',
        number => {
            let number = number.strip_prefix('#').unwrap_or_else(|| panic!("&{number}; is a number"));
            let code = number.strip_prefix('x').map_or_else(|| number.parse(), |hex| u32::from_str_radix(hex, 16));
            code.ok().and_then(char::from_u32).unwrap()
        }
    }
}
