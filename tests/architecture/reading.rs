//! Reads Rust, just enough of it: where comments, strings and tests are, and which paths stand in the rest.

/// A source file. Comments, strings and tests are overwritten by spaces, so offsets stay what they were.
pub(super) struct Source<'a> {
    pub(super) path: &'a str,
    /// Without comments and tests.
    pub(super) text: String,
    /// Without strings too.
    pub(super) code: String,
}

impl<'a> Source<'a> {
    pub(super) fn new(path: &'a str, raw: &'a str) -> Self {
        let (mut text, mut code) = blank(raw);
        for (from, to) in test_items(&text, &code) {
            fill(&mut text, from, to);
            fill(&mut code, from, to);
        }
        Self { path, text, code }
    }

    /// The line of an offset, from 1.
    pub(super) fn line(&self, at: usize) -> usize {
        self.code[..at.min(self.code.len())].matches('\n').count() + 1
    }

    /// The room that the file belongs to; none for `lib.rs` and `main.rs`.
    pub(super) fn room(&self) -> Option<&'a str> {
        let first = self.path.strip_prefix("src/")?.split('/').next()?;
        match first.strip_suffix(".rs") {
            Some("lib" | "main") => None,
            Some(file) => Some(file),
            None => Some(first),
        }
    }

    /// Every path of at least two parts, one for each leaf of a tree.
    pub(super) fn paths(&self) -> Vec<CodePath> {
        paths(&self.code)
    }

    /// A path from the crate's root: after `crate`, or after enough `super`s.
    pub(super) fn rooted<'p>(&self, path: &'p CodePath) -> Option<&'p [String]> {
        if path.parts[0] == "crate" {
            return Some(&path.parts[1..]);
        }
        let climbed = path.parts.iter().take_while(|part| *part == "super").count();
        (climbed > 0 && climbed == self.depth(path.at)).then(|| &path.parts[climbed..])
    }

    /// How many modules are around an offset: 1 in `src/a/mod.rs`, 2 in `src/a/b.rs`, one more in a `mod` inside.
    fn depth(&self, at: usize) -> usize {
        let inside = self.path.trim_start_matches("src/").trim_end_matches(".rs");
        let files = inside.split('/').filter(|part| !matches!(*part, "mod" | "lib" | "main")).count();
        let around = self.code.match_indices("mod ").filter(|(from, _)| {
            let name = from + 4;
            let open = name + self.code[name..].bytes().take_while(|byte| is_word(*byte) || *byte == b' ').count();
            self.code.as_bytes().get(open) == Some(&b'{') && (open..balanced(self.code.as_bytes(), open)).contains(&at)
        });
        files + around.count()
    }
}

fn fill(text: &mut String, from: usize, to: usize) {
    let blank: String = text[from..to].bytes().map(|byte| if byte == b'\n' { '\n' } else { ' ' }).collect();
    text.replace_range(from..to, &blank);
}

fn is_word(byte: u8) -> bool {
    byte == b'_' || byte.is_ascii_alphanumeric() || byte >= 0x80
}

/// The text without comments, and the text without comments and strings.
fn blank(raw: &str) -> (String, String) {
    let bytes = raw.as_bytes();
    let (mut text, mut code) = (raw.to_owned(), raw.to_owned());
    let mut at = 0;
    while at < bytes.len() {
        let rest = &bytes[at..];
        if let Some(length) = comment(rest) {
            fill(&mut text, at, at + length);
            fill(&mut code, at, at + length);
            at += length;
        } else if let Some(length) = literal(rest, at > 0 && is_word(bytes[at - 1])) {
            fill(&mut code, at, at + length);
            at += length;
        } else {
            at += 1;
        }
    }
    (text, code)
}

/// The length of the comment that begins here.
fn comment(rest: &[u8]) -> Option<usize> {
    if rest.starts_with(b"//") {
        return Some(rest.iter().position(|byte| *byte == b'\n').unwrap_or(rest.len()));
    }
    if !rest.starts_with(b"/*") {
        return None;
    }
    let (mut at, mut depth) = (0, 0_usize);
    while at + 1 < rest.len() {
        match &rest[at..at + 2] {
            b"/*" => depth += 1,
            b"*/" => depth -= 1,
            _ => {
                at += 1;
                continue;
            }
        }
        at += 2;
        if depth == 0 {
            return Some(at);
        }
    }
    Some(rest.len())
}

/// The length of the string or character that begins here.
fn literal(rest: &[u8], after_word: bool) -> Option<usize> {
    match rest[0] {
        b'"' => Some(plain_string(rest)),
        b'r' | b'b' if !after_word => raw_string(rest),
        b'\'' => character(rest),
        _ => None,
    }
}

fn plain_string(rest: &[u8]) -> usize {
    let mut at = 1;
    while at < rest.len() {
        match rest[at] {
            b'\\' => at += 2,
            b'"' => return at + 1,
            _ => at += 1,
        }
    }
    rest.len()
}

/// `r"…"`, `r#"…"#`, `br"…"`.
fn raw_string(rest: &[u8]) -> Option<usize> {
    let open = rest.strip_prefix(b"b").unwrap_or(rest).strip_prefix(b"r")?;
    let hashes = open.iter().take_while(|byte| **byte == b'#').count();
    let inner = open[hashes..].strip_prefix(b"\"")?;
    let mut close = vec![b'"'];
    close.resize(hashes + 1, b'#');
    let length = inner.windows(close.len()).position(|window| window == close).map_or(inner.len(), |found| found + close.len());
    Some(rest.len() - inner.len() + length)
}

/// A character; `None` for a lifetime.
fn character(rest: &[u8]) -> Option<usize> {
    if rest.get(1) == Some(&b'\\') {
        return rest.iter().skip(3).position(|byte| *byte == b'\'').map(|found| found + 4);
    }
    let width = match rest.get(1)? {
        0xf0.. => 4,
        0xe0.. => 3,
        0xc0.. => 2,
        _ => 1,
    };
    (rest.get(1 + width) == Some(&b'\'')).then_some(width + 2)
}

/// The offset after the bracketed part that opens at `at`.
fn balanced(code: &[u8], at: usize) -> usize {
    let mut depth = 0_usize;
    for (offset, byte) in code[at..].iter().enumerate() {
        match byte {
            b'(' | b'[' | b'{' => depth += 1,
            b')' | b']' | b'}' => depth = depth.saturating_sub(1),
            _ => continue,
        }
        if depth == 0 {
            return at + offset + 1;
        }
    }
    code.len()
}

fn skip_space(code: &[u8], at: usize) -> usize {
    at + code[at..].iter().take_while(|byte| byte.is_ascii_whitespace()).count()
}

/// The offset after the attributes that stand at `at`.
pub(super) fn skip_attributes(code: &[u8], at: usize) -> usize {
    let mut at = skip_space(code, at);
    while code[at..].starts_with(b"#[") {
        at = skip_space(code, balanced(code, at + 1));
    }
    at
}

/// An attribute: its extent, and what stands between its brackets.
pub(super) struct Attribute<'a> {
    pub(super) from: usize,
    pub(super) to: usize,
    pub(super) inside: &'a str,
}

/// Every attribute of a file, inner and outer.
pub(super) fn attributes<'a>(text: &'a str, code: &str) -> Vec<Attribute<'a>> {
    let starts = code.match_indices('#');
    starts
        .filter_map(|(from, _)| {
            let open = from + 1 + usize::from(code[from + 1..].starts_with('!'));
            let to = code[open..].starts_with('[').then(|| balanced(code.as_bytes(), open))?;
            Some(Attribute { from, to, inside: text.get(open + 1..to - 1)?.trim() })
        })
        .collect()
}

/// The extents of items that exist only in tests.
fn test_items(text: &str, code: &str) -> Vec<(usize, usize)> {
    let found = attributes(text, code);
    let tests = found.iter().filter(|attribute| is_test_only(attribute.inside));
    tests.map(|attribute| (attribute.from, end_of_item(code.as_bytes(), skip_attributes(code.as_bytes(), attribute.to)))).collect()
}

/// Modules in files of their own that a file declares for tests only: `src/a/b` for `#[cfg(test)] mod b;` in `src/a/mod.rs`.
pub(super) fn test_modules(path: &str, raw: &str) -> Vec<String> {
    let (text, code) = blank(raw);
    let folder = match path.rsplit_once('/') {
        Some((folder, "mod.rs" | "lib.rs" | "main.rs")) => folder,
        _ => path.trim_end_matches(".rs"),
    };
    let found = attributes(&text, &code);
    let items = found.iter().filter(|attribute| is_test_only(attribute.inside)).map(|attribute| {
        let from = skip_attributes(code.as_bytes(), attribute.to);
        &code[from..end_of_item(code.as_bytes(), from)]
    });
    items.filter_map(|item| Some(format!("{folder}/{}", item.rsplit_once("mod ")?.1.strip_suffix(';')?.trim()))).collect()
}

fn is_test_only(attribute: &str) -> bool {
    let condition: String = attribute.chars().filter(|c| !c.is_whitespace()).collect();
    matches!(condition.as_str(), "test" | "cfg(test)" | "cfg(feature=\"testing\")" | "cfg(any(test,feature=\"testing\"))")
        || condition.starts_with("cfg(all(test,")
}

fn end_of_item(code: &[u8], from: usize) -> usize {
    let mut at = from;
    while at < code.len() {
        match code[at] {
            b';' | b',' => return at + 1,
            // The brackets around this item close: it was the last of its list.
            b')' | b']' | b'}' => return at,
            b'{' if !code[from..].starts_with(b"use ") => return balanced(code, at),
            b'(' | b'[' | b'{' => at = balanced(code, at),
            _ => at += 1,
        }
    }
    code.len()
}

/// A path, with where its last branch begins.
#[derive(Debug)]
pub(super) struct CodePath {
    pub(super) at: usize,
    pub(super) parts: Vec<String>,
}

fn paths(code: &str) -> Vec<CodePath> {
    let bytes = code.as_bytes();
    let mut found = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        let begins = is_word(bytes[at]) && (at == 0 || !is_word(bytes[at - 1]));
        let mut leaves = Vec::new();
        let end = if begins { tree(code, at, &[], &mut leaves) } else { at + 1 };
        if begins && leaves.iter().any(|path| path.parts.len() > 1) {
            found.extend(leaves);
            at = end;
        } else {
            at += 1;
        }
    }
    found
}

/// Reads `a::b::{c, d::e}` at `at`, adds its leaves, and gives the offset after it.
fn tree(code: &str, at: usize, above: &[String], leaves: &mut Vec<CodePath>) -> usize {
    let bytes = code.as_bytes();
    let begin = skip_space(bytes, at);
    let mut at = begin;
    let mut parts = above.to_vec();
    loop {
        if bytes.get(at) == Some(&b'{') {
            return group(code, at, &parts, leaves);
        }
        let end = at + bytes[at..].iter().take_while(|byte| is_word(**byte)).count();
        if end > at {
            parts.push(code[at..end].to_owned());
            at = end;
        }
        let next = skip_space(bytes, at);
        if end == begin || !bytes[next..].starts_with(b"::") {
            break;
        }
        at = skip_space(bytes, next + 2);
        if !bytes.get(at).is_some_and(|byte| is_word(*byte) || *byte == b'{') {
            break;
        }
    }
    leaves.push(CodePath { at: begin, parts });
    at
}

fn group(code: &str, open: usize, above: &[String], leaves: &mut Vec<CodePath>) -> usize {
    let bytes = code.as_bytes();
    let close = balanced(bytes, open);
    let mut at = open + 1;
    while skip_space(bytes, at) < close - 1 {
        let end = tree(code, at, above, leaves);
        at = bytes[end..close].iter().position(|byte| *byte == b',').map_or(close, |comma| end + comma + 1);
    }
    close
}
