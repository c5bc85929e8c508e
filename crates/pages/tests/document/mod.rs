//! A page as a browser's parser sees it: its elements in order, with what the tests ask of them.

use html5ever::tendril::TendrilSink;
use html5ever::{ParseOpts, parse_document};
use markup5ever_rcdom::{Handle, NodeData, RcDom};

/// An element, with its place among its ancestors.
pub(crate) struct Element {
    pub(crate) name: String,
    pub(crate) attributes: Vec<(String, String)>,
    /// All text below it.
    pub(crate) text: String,
    /// The position of its parent among all elements.
    parent: Option<usize>,
}

/// All elements of a page, in order.
pub(crate) struct Document {
    pub(crate) elements: Vec<Element>,
}

impl Element {
    pub(crate) fn attribute(&self, name: &str) -> Option<&str> {
        self.attributes.iter().find(|(other, _)| other == name).map(|(_, value)| value.as_str())
    }

    pub(crate) fn has(&self, name: &str) -> bool {
        self.attribute(name).is_some()
    }
}

impl Document {
    /// Parses a page, which must be without any fault.
    #[track_caller]
    pub(crate) fn parse(html: &str) -> Self {
        let dom: RcDom = parse_document(RcDom::default(), ParseOpts::default()).one(html);
        let faults = dom.errors.borrow();
        assert!(faults.is_empty(), "{faults:?} in\n{html}");
        let mut document = Self { elements: Vec::new() };
        document.take(&dom.document, None);
        document
    }

    fn take(&mut self, node: &Handle, parent: Option<usize>) {
        let mut place = parent;
        match &node.data {
            NodeData::Element { name, attrs, .. } => {
                let attributes = attrs
                    .borrow()
                    .iter()
                    .map(|one| (one.name.local.to_string(), one.value.to_string()))
                    .collect();
                place = Some(self.elements.len());
                self.elements.push(Element {
                    name: name.local.to_string(),
                    attributes,
                    text: String::new(),
                    parent,
                });
            }
            NodeData::Text { contents } => {
                let mut above = parent;
                while let Some(position) = above {
                    self.elements[position].text.push_str(&contents.borrow());
                    above = self.elements[position].parent;
                }
            }
            NodeData::Comment { .. } => panic!("pages have no comments"),
            _ => {}
        }
        for child in node.children.borrow().iter() {
            self.take(child, place);
        }
    }

    pub(crate) fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a Element> {
        self.elements.iter().filter(move |element| element.name == name)
    }

    pub(crate) fn with_id(&self, id: &str) -> Option<&Element> {
        self.elements.iter().find(|element| element.attribute("id") == Some(id))
    }

    /// The elements below this one, in order.
    pub(crate) fn below(&self, ancestor: &Element) -> Vec<&Element> {
        let is_below = |element: &&Element| {
            let mut above = element.parent;
            while let Some(position) = above {
                if std::ptr::eq(&self.elements[position], ancestor) {
                    return true;
                }
                above = self.elements[position].parent;
            }
            false
        };
        self.elements.iter().filter(is_below).collect()
    }

    /// Names of elements and of their attributes: what a value must never change.
    pub(crate) fn shape(&self) -> Vec<String> {
        let names = |element: &Element| {
            element.attributes.iter().fold(element.name.clone(), |names, (name, _)| names + " " + name)
        };
        self.elements.iter().map(names).collect()
    }

    /// Every text and every value, one a line.
    pub(crate) fn everything_said(&self) -> String {
        let values =
            self.elements.iter().flat_map(|element| element.attributes.iter().map(|(_, value)| value));
        let texts = self.elements.iter().map(|element| &element.text);
        values.chain(texts).fold(String::new(), |all, one| all + one + "\n")
    }
}
