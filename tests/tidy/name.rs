//! Every path a file names, made absolute: `use` trees, paths in code, and paths inside macro calls.

use syn::visit::{self, Visit};

use super::Source;

/// One path, from its root: `["crate", "domain", "run"]`, `["std", "fs", "read"]`. A glob ends in `*`.
pub(super) type Name = Vec<String>;

/// Lists what `source` names. `self::` and `super::` are resolved, and so is the library's own name in `main.rs`.
pub(super) fn names_in(source: &Source) -> Vec<Name> {
    let file = syn::parse_file(&source.text)
        .unwrap_or_else(|err| panic!("{}: not Rust as this test reads it: {err}", source.path));
    let mut visitor = Names { module: module_of(&source.path), found: Vec::new() };
    visitor.visit_file(&file);
    visitor.found.sort();
    visitor.found.dedup();
    visitor.found
}

/// The module a file is: `src/domain/decide/mod.rs` is `["domain", "decide"]`.
pub(super) fn module_of(path: &str) -> Vec<String> {
    let inside = path.trim_start_matches("src/").trim_end_matches(".rs");
    let mut parts: Vec<String> = inside.split('/').map(str::to_owned).collect();
    if parts.last().is_some_and(|last| matches!(last.as_str(), "mod" | "lib" | "main")) {
        parts.pop();
    }
    parts
}

struct Names {
    module: Vec<String>,
    found: Vec<Name>,
}

impl Names {
    fn take(&mut self, segments: &[String]) {
        let Some((first, rest)) = segments.split_first() else { return };
        let absolute = match first.as_str() {
            "crate" | "agentpr" => with_root(&[], rest),
            "self" => with_root(&self.module, rest),
            "super" => {
                let ups = segments.iter().take_while(|segment| *segment == "super").count();
                let kept = self.module.len().saturating_sub(ups);
                with_root(&self.module[..kept], &segments[ups..])
            }
            _ => segments.to_vec(),
        };
        self.found.push(absolute);
    }

    fn take_tree(&mut self, before: &[String], tree: &syn::UseTree) {
        let with = |ident: &dyn ToString| [before, &[ident.to_string()]].concat();
        match tree {
            syn::UseTree::Path(path) => self.take_tree(&with(&path.ident), &path.tree),
            syn::UseTree::Name(name) if name.ident == "self" => self.take(before),
            syn::UseTree::Name(name) => self.take(&with(&name.ident)),
            syn::UseTree::Rename(rename) if rename.ident == "self" => self.take(before),
            syn::UseTree::Rename(rename) => self.take(&with(&rename.ident)),
            syn::UseTree::Glob(_) => self.take(&with(&"*")),
            syn::UseTree::Group(group) => group.items.iter().for_each(|tree| self.take_tree(before, tree)),
        }
    }
}

fn with_root(module: &[String], rest: &[String]) -> Name {
    [&["crate".to_owned()], module, rest].concat()
}

impl<'ast> Visit<'ast> for Names {
    fn visit_item_use(&mut self, item: &'ast syn::ItemUse) {
        self.take_tree(&[], &item.tree);
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        let segments: Vec<String> = path.segments.iter().map(|segment| segment.ident.to_string()).collect();
        self.take(&segments);
        visit::visit_path(self, path);
    }

    fn visit_item_mod(&mut self, item: &'ast syn::ItemMod) {
        self.module.push(item.ident.to_string());
        visit::visit_item_mod(self, item);
        self.module.pop();
    }

    fn visit_macro(&mut self, call: &'ast syn::Macro) {
        for segments in paths_in_tokens(&tokens_text(call)) {
            self.take(&segments);
        }
        visit::visit_macro(self, call);
    }
}

/// The text of a macro call's tokens without string literals, `::` without blanks around it.
pub(super) fn tokens_text(call: &syn::Macro) -> String {
    let text = call.tokens.to_string();
    let mut kept = String::with_capacity(text.len());
    let mut chars = text.chars();
    let mut inside = false;
    while let Some(c) = chars.next() {
        match c {
            '\\' if inside => _ = chars.next(),
            '"' => inside = !inside,
            _ if !inside => kept.push(c),
            _ => {}
        }
    }
    kept.replace(" ::", "::").replace(":: ", "::")
}

fn paths_in_tokens(text: &str) -> Vec<Name> {
    text.split(|c: char| !(c.is_alphanumeric() || c == '_' || c == ':'))
        .map(|run| run.trim_matches(':'))
        .filter(|run| run.contains("::"))
        .map(|run| run.split("::").map(str::to_owned).collect())
        .collect()
}

#[test]
fn relative_paths_and_use_trees_are_made_absolute() {
    let text = "use crate::{domain::{run::Run, id::{self, RunId}}, ports::*};
        use super::super::app::App as Other;
        fn f() { let x = self::inner::g; println!(\"crate::no {}\", crate::config::load()); }
        mod deep { fn h() { super::near(); } }";
    let found: Vec<String> = names_in(&Source::sample("src/adapters/store/mod.rs", text))
        .iter()
        .map(|name| name.join("::"))
        .collect();
    for wanted in [
        "crate::domain::run::Run",
        "crate::domain::id",
        "crate::domain::id::RunId",
        "crate::ports::*",
        "crate::app::App",
        "crate::adapters::store::inner::g",
        "crate::config::load",
        "crate::adapters::store::near",
    ] {
        assert!(found.iter().any(|name| name == wanted), "`{wanted}` is not in {found:?}");
    }
    assert!(
        !found.iter().any(|name| name.starts_with("crate::no")),
        "a string literal is no path: {found:?}"
    );
}
