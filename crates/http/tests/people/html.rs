//! Reading pages as browsers do: html5ever makes the tree, and it is flattened into the elements in the order of the page.

use std::ops::Range;

use html5ever::tendril::TendrilSink;
use html5ever::{ParseOpts, parse_document};
use markup5ever_rcdom::{Handle, NodeData, RcDom};

/// An element of a page.
#[derive(Clone, Debug)]
pub(crate) struct Element {
    pub(crate) name: String,
    pub(crate) attributes: Vec<(String, String)>,
    /// All text within it, with single spaces.
    pub(crate) text: String,
    /// Where the elements within it stand in the list.
    pub(crate) inside: Range<usize>,
}

impl Element {
    /// The value of an attribute; empty where there is none.
    pub(crate) fn get(&self, name: &str) -> String {
        let found = self.attributes.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| value.clone()).unwrap_or_default()
    }
}

/// The elements of a page, each before those within it.
pub(crate) fn parse(html: &str) -> Vec<Element> {
    let dom = parse_document(RcDom::default(), ParseOpts::default()).one(html);
    let mut elements = Vec::new();
    walk(&dom.document, &mut elements);
    elements
}

/// Adds what stands below a node; returns its text.
fn walk(node: &Handle, elements: &mut Vec<Element>) -> String {
    let place = elements.len();
    if let NodeData::Element { name, attrs, .. } = &node.data {
        let attributes = attrs.borrow();
        let pairs = attributes
            .iter()
            .map(|attribute| (attribute.name.local.to_string(), attribute.value.to_string()));
        let attributes = pairs.collect();
        elements.push(Element {
            name: name.local.to_string(),
            attributes,
            text: String::new(),
            inside: 0..0,
        });
    }
    let mut text = match &node.data {
        NodeData::Text { contents } => contents.borrow().to_string(),
        _ => String::new(),
    };
    for child in node.children.borrow().iter() {
        text.push_str(&walk(child, elements));
    }
    if let NodeData::Element { name, .. } = &node.data {
        let end = elements.len();
        elements[place].inside = place + 1..end;
        elements[place].text = text.split_whitespace().collect::<Vec<_>>().join(" ");
        if ["address", "dd", "div", "dt", "h1", "h2", "li", "p"].contains(&&*name.local) {
            text = format!(" {text} ");
        }
    }
    text
}
