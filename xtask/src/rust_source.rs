//! Rust files as tokens: comments and the contents of strings are no code, so that a rule about code cannot trip over them.

use std::collections::BTreeSet;
use std::str::FromStr;

use anyhow::{Result, anyhow};
use proc_macro2::{Delimiter, Group, Ident, TokenStream, TokenTree};

/// A Rust file.
pub(crate) struct RustSource {
    tokens: TokenStream,
}

/// A name with its line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Named {
    pub(crate) name: String,
    pub(crate) line: usize,
}

impl Named {
    fn of(ident: &Ident) -> Self {
        Self { name: ident.to_string(), line: ident.span().start().line }
    }
}

impl RustSource {
    /// # Errors
    ///
    /// A text that is not even made of Rust tokens.
    pub(crate) fn parse(text: &str) -> Result<Self> {
        let tokens =
            TokenStream::from_str(text).map_err(|error| anyhow!("not made of Rust tokens: {error}"))?;
        Ok(Self { tokens })
    }

    /// The functions under an attribute `#[test]`, `#[tokio::test]` or alike, in macros too.
    pub(crate) fn tests(&self) -> Vec<Named> {
        let mut tests = Vec::new();
        visit(&self.tokens, &mut |tokens| {
            tests.extend(functions_under_test_attribute(tokens).into_iter().filter_map(|name| match name {
                FunctionName::Written(ident) => Some(Named::of(&ident)),
                FunctionName::MacroParameter => None,
            }));
        });
        tests
    }

    /// The macros defined here that make a test function of a name that they are given.
    pub(crate) fn test_macros(&self) -> BTreeSet<String> {
        let mut macros = BTreeSet::new();
        visit(&self.tokens, &mut |tokens| {
            for window in tokens.windows(4) {
                let [
                    TokenTree::Ident(keyword),
                    TokenTree::Punct(bang),
                    TokenTree::Ident(name),
                    TokenTree::Group(body),
                ] = window
                else {
                    continue;
                };
                if keyword != "macro_rules" || bang.as_char() != '!' {
                    continue;
                }
                let mut makes_tests = false;
                visit(&body.stream(), &mut |tokens| {
                    makes_tests |= functions_under_test_attribute(tokens)
                        .iter()
                        .any(|name| matches!(name, FunctionName::MacroParameter));
                });
                if makes_tests {
                    macros.insert(name.to_string());
                }
            }
        });
        macros
    }

    /// All names that are handed to one of these macros.
    pub(crate) fn names_given_to(&self, macros: &BTreeSet<String>) -> Vec<Named> {
        let mut names = Vec::new();
        for call in self.macro_calls() {
            if macros.contains(&call.name.name) {
                visit(&call.arguments.stream(), &mut |tokens| {
                    names.extend(tokens.iter().filter_map(|token| match token {
                        TokenTree::Ident(ident) => Some(Named::of(ident)),
                        _ => None,
                    }));
                });
            }
        }
        names
    }

    /// Calls of macros with one of these names.
    pub(crate) fn calls_of(&self, names: &[&str]) -> Vec<Named> {
        let calls = self.macro_calls().into_iter().map(|call| call.name);
        calls.filter(|call| names.contains(&call.name.as_str())).collect()
    }

    /// Attributes whose path ends in this name, `#[cfg_attr(.., name)]` included.
    pub(crate) fn attributes(&self, name: &str) -> Vec<Named> {
        let mut found = Vec::new();
        visit(&self.tokens, &mut |tokens| {
            for window in tokens.windows(2) {
                let Some(attribute) = attribute(&window[0], &window[1]) else {
                    continue;
                };
                let Some(last) = last_of_path(attribute) else {
                    continue;
                };
                let named = last == name || (last == "cfg_attr" && mentions(attribute, name));
                if named {
                    found.push(Named { name: name.to_owned(), line: last.span().start().line });
                }
            }
        });
        found
    }

    /// Whether the file begins with `#![forbid(unsafe_code)]`, after other attributes of the crate.
    pub(crate) fn forbids_unsafe_code(&self) -> bool {
        let tokens: Vec<TokenTree> = self.tokens.clone().into_iter().collect();
        tokens.windows(3).any(|window| {
            let [TokenTree::Punct(hash), TokenTree::Punct(bang), TokenTree::Group(attribute)] = window else {
                return false;
            };
            let inner = hash.as_char() == '#' && bang.as_char() == '!';
            inner
                && last_of_path(attribute).is_some_and(|name| name == "forbid")
                && mentions(attribute, "unsafe_code")
        })
    }

    fn macro_calls(&self) -> Vec<MacroCall> {
        let mut calls = Vec::new();
        visit(&self.tokens, &mut |tokens| {
            for window in tokens.windows(3) {
                let [TokenTree::Ident(name), TokenTree::Punct(bang), TokenTree::Group(arguments)] = window
                else {
                    continue;
                };
                if bang.as_char() == '!' {
                    calls.push(MacroCall { name: Named::of(name), arguments: arguments.clone() });
                }
            }
        });
        calls
    }
}

struct MacroCall {
    name: Named,
    arguments: Group,
}

enum FunctionName {
    Written(Ident),
    /// `fn $name`, in a macro.
    MacroParameter,
}

/// Shows each sequence of tokens, and those within its groups.
fn visit(tokens: &TokenStream, look: &mut impl FnMut(&[TokenTree])) {
    let tokens: Vec<TokenTree> = tokens.clone().into_iter().collect();
    look(&tokens);
    for token in &tokens {
        if let TokenTree::Group(group) = token {
            visit(&group.stream(), look);
        }
    }
}

fn functions_under_test_attribute(tokens: &[TokenTree]) -> Vec<FunctionName> {
    let mut found = Vec::new();
    let mut under_test = false;
    let mut position = 0;
    while let Some(token) = tokens.get(position) {
        let next = tokens.get(position + 1);
        if let Some(attribute) = next.and_then(|next| attribute(token, next)) {
            under_test |= last_of_path(attribute).is_some_and(|name| name == "test");
            position += 2;
            continue;
        }
        match (token, next) {
            (TokenTree::Ident(keyword), Some(TokenTree::Ident(name))) if keyword == "fn" => {
                if under_test {
                    found.push(FunctionName::Written(name.clone()));
                }
                under_test = false;
            }
            (TokenTree::Ident(keyword), Some(TokenTree::Punct(_))) if keyword == "fn" => {
                if under_test {
                    found.push(FunctionName::MacroParameter);
                }
                under_test = false;
            }
            // What may stand between an attribute and `fn`: `pub`, `pub(crate)`, `async`, `$(#[$attribute])*`.
            (TokenTree::Ident(keyword), _)
                if keyword == "pub" || keyword == "async" || keyword == "const" => {}
            (TokenTree::Group(group), _) if group.delimiter() == Delimiter::Parenthesis => {}
            (TokenTree::Punct(punct), _) if matches!(punct.as_char(), '$' | '*') => {}
            _ => under_test = false,
        }
        position += 1;
    }
    found
}

/// The brackets of `#[..]`.
fn attribute<'a>(token: &TokenTree, next: &'a TokenTree) -> Option<&'a Group> {
    match (token, next) {
        (TokenTree::Punct(hash), TokenTree::Group(group))
            if hash.as_char() == '#' && group.delimiter() == Delimiter::Bracket =>
        {
            Some(group)
        }
        _ => None,
    }
}

/// `test` of `tokio::test(flavor = "..")`.
fn last_of_path(attribute: &Group) -> Option<Ident> {
    let mut last = None;
    for token in attribute.stream() {
        match token {
            TokenTree::Ident(ident) => last = Some(ident),
            TokenTree::Punct(punct) if matches!(punct.as_char(), ':' | '$') => {}
            _ => break,
        }
    }
    last
}

fn mentions(group: &Group, name: &str) -> bool {
    let mut found = false;
    visit(&group.stream(), &mut |tokens| {
        found |= tokens.iter().any(|token| matches!(token, TokenTree::Ident(ident) if ident == name));
    });
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(found: &[Named]) -> Vec<&str> {
        found.iter().map(|named| named.name.as_str()).collect()
    }

    #[test]
    fn tests_are_functions_under_a_test_attribute_and_nothing_else_is() {
        let source = RustSource::parse(
            r##"
            // #[test] fn in_a_comment() {}
            const TEXT: &str = "#[test] fn in_a_string() {}";
            #[cfg(test)]
            fn under_cfg() {}
            #[inline]
            fn helper() {}
            mod tests {
                #[test]
                fn plain() {}
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                #[allow(clippy::unwrap_used)]
                pub(crate) async fn on_a_runtime() {}
                fn after() {}
            }
            proptest! {
                #[test]
                fn in_a_macro(x in 0..3) {}
            }
            "##,
        )
        .unwrap();
        let tests = source.tests();
        assert_eq!(names(&tests), ["plain", "on_a_runtime", "in_a_macro"]);
        assert_eq!(tests[0].line, 10);
    }

    #[test]
    fn names_that_a_macro_turns_into_tests_are_found_where_they_are_given() {
        let source = RustSource::parse(
            "
            macro_rules! cases { ($($name:ident: $value:expr,)*) => { $( #[test] fn $name() { check($value) } )* } }
            macro_rules! other { ($name:ident) => { fn $name() {} } }
            cases! { first_case: (Form::new(1)), second_case: 2, }
            other!(no_test);
            ",
        )
        .unwrap();
        let macros = source.test_macros();
        assert_eq!(macros.iter().map(String::as_str).collect::<Vec<_>>(), ["cases"]);
        let given = source.names_given_to(&macros);
        assert_eq!(names(&given), ["first_case", "second_case", "Form", "new"]);
    }

    #[test]
    fn a_macro_that_calls_itself_with_the_names_is_seen_through() {
        let source = RustSource::parse(
            "
            macro_rules! suite {
                ($backend:expr) => { $crate::suite! { @tests $backend; records::r_08_x, races::y, } };
                (@tests $backend:expr; $($module:ident::$test:ident,)*) => {
                    $( #[tokio::test] async fn $test() { $module::$test($backend).await } )*
                };
            }
            ",
        )
        .unwrap();
        let given = source.names_given_to(&source.test_macros());
        assert!(given.iter().any(|named| named.name == "r_08_x"), "{given:?}");
    }

    #[test]
    fn attributes_and_calls_are_found_in_code_alone() {
        let source = RustSource::parse(
            r##"
            //! #[ignore]
            #[ignore = "slow"]
            fn one() { todo!() }
            #[cfg_attr(miri, ignore)]
            fn two() { let text = "todo!()"; }
            "##,
        )
        .unwrap();
        assert_eq!(source.attributes("ignore").iter().map(|found| found.line).collect::<Vec<_>>(), [3, 5]);
        assert_eq!(source.calls_of(&["todo"]).iter().map(|found| found.line).collect::<Vec<_>>(), [4]);
    }

    #[test]
    fn unsafe_code_is_forbidden_by_an_attribute_of_the_crate_only() {
        let forbids = |text: &str| RustSource::parse(text).unwrap().forbids_unsafe_code();
        assert!(forbids("//! Crate.\n#![warn(missing_docs)]\n#![forbid(unsafe_code)]\nfn main() {}"));
        assert!(!forbids("#![deny(unsafe_code)]\nfn main() {}"));
        assert!(!forbids("// #![forbid(unsafe_code)]\nfn main() {}"));
        assert!(!forbids("mod inner { #![forbid(unsafe_code)] }"));
    }
}
