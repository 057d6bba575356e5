//! What a file looks like: how it opens, how long it is, which attributes it may carry.

use syn::visit::{self, Visit};

use super::name::tokens_text;
use super::{Source, assert_accepted, assert_refused, refuse, refuse_in_program, sources};

/// The wall. Look for the seam at 400.
const MAX_LINES: usize = 500;

fn opening_rule(source: &Source) -> Vec<String> {
    let opens = source.text.starts_with("//!");
    if opens { Vec::new() } else { vec![format!("{}: opens without `//!`: say what it is for", source.path)] }
}

fn length_rule(source: &Source) -> Vec<String> {
    let lines = source.text.lines().count();
    if lines <= MAX_LINES {
        return Vec::new();
    }
    vec![format!("{}: {lines} lines, {MAX_LINES} are the most: split it where it is two things", source.path)]
}

fn attribute_rule(source: &Source) -> Vec<String> {
    let file = syn::parse_file(&source.text)
        .unwrap_or_else(|err| panic!("{}: not Rust as this test reads it: {err}", source.path));
    let mut visitor = Attributes { in_program: source.path.starts_with("src/"), found: Vec::new() };
    visitor.visit_file(&file);
    visitor.found.iter().map(|why| format!("{}: {why}", source.path)).collect()
}

struct Attributes {
    in_program: bool,
    found: Vec<&'static str>,
}

const ALLOW: &str =
    "`allow(..)`: say `expect(.., reason = \"..\")`, which speaks up when it is not needed any more";
const IGNORE: &str = "`ignore`: a test runs or is deleted";
const CFG_TEST: &str =
    "`cfg(test)`: the program is the same in a test; only `mod tests` may be left out of it";

impl Attributes {
    /// Judges an attribute by its path and by its tokens, which are compared without blanks and string literals.
    fn judge(&mut self, path: &str, tokens: &str) {
        let words = || tokens.split(|c: char| !(c.is_alphanumeric() || c == '_'));
        match path {
            "allow" => self.found.push(ALLOW),
            "ignore" => self.found.push(IGNORE),
            "cfg" | "cfg_attr" => {
                if words().any(|word| word == "allow") {
                    self.found.push(ALLOW);
                }
                if words().any(|word| word == "ignore") {
                    self.found.push(IGNORE);
                }
                if self.in_program && words().any(|word| word == "test") {
                    self.found.push(CFG_TEST);
                }
            }
            _ => {}
        }
    }
}

impl<'ast> Visit<'ast> for Attributes {
    fn visit_item_mod(&mut self, item: &'ast syn::ItemMod) {
        if item.ident == "tests" {
            if let Some((_, items)) = &item.content {
                items.iter().for_each(|item| self.visit_item(item));
            }
            return;
        }
        visit::visit_item_mod(self, item);
    }

    fn visit_attribute(&mut self, attribute: &'ast syn::Attribute) {
        let path = attribute.path().get_ident().map(ToString::to_string).unwrap_or_default();
        let tokens = match &attribute.meta {
            syn::Meta::List(list) => tokens_text(&syn::Macro {
                path: list.path.clone(),
                bang_token: <syn::Token![!]>::default(),
                delimiter: list.delimiter.clone(),
                tokens: list.tokens.clone(),
            }),
            syn::Meta::Path(_) | syn::Meta::NameValue(_) => String::new(),
        };
        self.judge(&path, &tokens);
    }

    fn visit_macro(&mut self, call: &'ast syn::Macro) {
        let tokens = tokens_text(call);
        if call.path.is_ident("cfg") {
            self.judge("cfg", &tokens);
        }
        let compact: String = tokens.split_whitespace().collect();
        for (written, fault) in [("[allow(", ALLOW), ("#[ignore", IGNORE), ("#[cfg(test", CFG_TEST)] {
            if compact.contains(written) && (fault != CFG_TEST || self.in_program) {
                self.found.push(fault);
            }
        }
        visit::visit_macro(self, call);
    }
}

#[test]
fn every_file_opens_with_what_it_is_for() {
    refuse(&sources(&["src", "tests"], "rs").iter().flat_map(opening_rule).collect::<Vec<_>>());
}

#[test]
fn no_file_is_longer_than_the_wall() {
    refuse(&sources(&["src", "tests"], "rs").iter().flat_map(length_rule).collect::<Vec<_>>());
}

#[test]
fn the_program_is_the_same_in_a_test_and_hides_no_warning() {
    refuse_in_program(attribute_rule);
}

#[test]
fn no_test_is_ignored_and_hides_no_warning() {
    refuse(&sources(&["tests"], "rs").iter().flat_map(attribute_rule).collect::<Vec<_>>());
}

#[test]
fn the_rules_of_shape_have_teeth() {
    assert_refused(opening_rule, "src/a.rs", "// no\nfn f() {}\n", &["//!"]);
    assert_refused(length_rule, "src/a.rs", &"//! x\n".repeat(501), &["501 lines"]);
    assert_accepted(length_rule, "src/a.rs", &"//! x\n".repeat(500));
    let refused = |text, words: &[&str]| assert_refused(attribute_rule, "src/a.rs", text, words);
    refused("#![allow(dead_code)]", &["allow"]);
    refused("fn f() { #[allow(unused)] let x = 1; }", &["allow"]);
    refused("#[cfg_attr(unix, allow(unused))] fn f() {}", &["allow"]);
    refused("m! { #[allow(unused)] fn f() {} }", &["allow"]);
    refused("#[test] #[ignore = \"slow\"] fn f() {}", &["ignore"]);
    refused("#[cfg(test)] fn f() {}", &["cfg(test)"]);
    refused("#[cfg(not(test))] fn f() {}", &["cfg(test)"]);
    refused("fn f() { if cfg!(test) {} }", &["cfg(test)"]);
    refused("#[cfg(test)] mod fakes;", &["cfg(test)"]);
    assert_accepted(attribute_rule, "src/a.rs", "#[cfg(test)] mod tests;");
    assert_accepted(attribute_rule, "src/a.rs", "#[cfg(feature = \"test-fakes\")] fn f() {}");
    assert_accepted(attribute_rule, "src/a.rs", "#[expect(dead_code, reason = \"why\")] fn f() {}");
}
