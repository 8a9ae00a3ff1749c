//! A shallow look at a multipart form: where its short text parts stand. Files are passed over unread.

use std::{collections::BTreeMap, ops::Range};

/// Whether a content type is that of a form.
pub(super) fn is_form(content_type: &str) -> bool {
    content_type.trim_start().get(..19).is_some_and(|start| start.eq_ignore_ascii_case("multipart/form-data"))
}

/// The text parts of a form: the first of each name.
#[derive(Debug, Default)]
pub(super) struct Parts {
    texts: BTreeMap<String, Range<usize>>,
}

impl Parts {
    /// Where the value of a text part stands.
    #[must_use]
    pub(super) fn range(&self, name: &str) -> Option<Range<usize>> {
        self.texts.get(name).cloned()
    }

    /// The value of a text part.
    #[must_use]
    pub(super) fn text<'a>(&self, body: &'a [u8], name: &str) -> Option<&'a str> {
        std::str::from_utf8(&body[self.range(name)?]).ok()
    }
}

/// Finds the text parts of a multipart body (RFC 7578).
///
/// # Errors
/// In words for the caller: no boundary in the content type, or a body that does not follow it.
pub(super) fn scan(body: &[u8], content_type: &str) -> Result<Parts, String> {
    let boundary = boundary(content_type).ok_or("the content type multipart/form-data has no boundary")?;
    let delimiter = [b"--", boundary.as_bytes()].concat();
    let finder = memchr::memmem::Finder::new(&delimiter);
    let mut parts = Parts::default();
    let mut at = finder.find(body).ok_or("the multipart body has no part")? + delimiter.len();
    loop {
        if body[at..].starts_with(b"--") {
            return Ok(parts);
        }
        let Some(step) = finder.find(&body[at..]) else { return Err("the multipart body has no closing boundary".into()) };
        let part = at..at + step;
        if let Some((name, value)) = text_part(body, part) {
            let is_model = name == "model";
            let first = parts.texts.entry(name).or_insert_with(|| value.clone());
            if is_model && body[first.clone()] != body[value] {
                return Err("\"model\" is given more than once with different values".into());
            }
        }
        at += step + delimiter.len();
    }
}

/// The pieces of a form without its boundary, which clients draw anew for each try; any other body as it is.
pub(super) fn between_boundaries<'a>(body: &'a [u8], content_type: &str) -> Vec<&'a [u8]> {
    let Some(boundary) = boundary(content_type).filter(|_| is_form(content_type)) else { return vec![body] };
    let delimiter = [b"--", boundary.as_bytes()].concat();
    let mut pieces = Vec::new();
    let mut start = 0;
    for at in memchr::memmem::find_iter(body, &delimiter) {
        pieces.push(&body[start..at]);
        start = at + delimiter.len();
    }
    pieces.push(&body[start..]);
    pieces
}

fn boundary(content_type: &str) -> Option<&str> {
    let at = content_type.to_ascii_lowercase().find("boundary=")? + "boundary=".len();
    let rest = &content_type[at..];
    let value = match rest.strip_prefix('"') {
        Some(quoted) => quoted.split('"').next()?,
        None => rest.split([';', ' ']).next()?,
    };
    (!value.is_empty()).then_some(value)
}

/// Name and value of a part without a file name; the part's bytes run from behind one delimiter to the next.
fn text_part(body: &[u8], part: Range<usize>) -> Option<(String, Range<usize>)> {
    let head_end = memchr::memmem::find(&body[part.clone()], b"\r\n\r\n")? + part.start;
    let head = std::str::from_utf8(&body[part.start..head_end]).ok()?;
    let disposition = head.lines().find(|line| line.to_ascii_lowercase().starts_with("content-disposition:"))?;
    if disposition.contains("filename") {
        return None;
    }
    let name = disposition.split("name=").nth(1)?;
    let name = name.strip_prefix('"').map_or_else(|| name.split(';').next(), |quoted| quoted.split('"').next())?;
    let start = head_end + 4;
    let end = part.end.checked_sub(2).filter(|end| *end >= start)?;
    Some((name.trim().to_owned(), start..end))
}

#[cfg(test)]
mod tests {
    use super::{between_boundaries, scan};

    #[test]
    fn the_same_form_under_another_boundary_has_the_same_pieces() {
        let form = |boundary: &str, value: &str| {
            let body = format!("--{boundary}\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\n{value}\r\n--{boundary}--\r\n");
            let content_type = format!("multipart/form-data; boundary={boundary}");
            between_boundaries(body.as_bytes(), &content_type).concat()
        };
        assert_eq!(form("one", "x"), form("another", "x"));
        assert_ne!(form("one", "x"), form("one", "y"));
        assert_eq!(between_boundaries(b"{}", "application/json"), [b"{}"]);
    }

    #[test]
    fn text_parts_are_found_and_files_are_not_read() {
        let body = b"--B\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a\"\r\n\r\nname=\"model\"\r\n--B\r\ncontent-disposition: form-data; name=\"model\"\r\n\r\np/m\r\n--B--\r\n";
        let parts = scan(body, "multipart/form-data; boundary=\"B\"").unwrap();
        assert_eq!(parts.text(body, "model"), Some("p/m"));
        assert_eq!(parts.text(body, "file"), None);
    }

    /// With work that grows with the square of the parts this would not end.
    #[test]
    fn a_form_of_very_many_parts_costs_no_more_than_its_length() {
        let part = |name: &str| format!("--B\r\nContent-Disposition: form-data; name={name}\r\n\r\nv\r\n");
        let names: [fn(usize) -> String; 2] = [|_| "model".to_owned(), |at| format!("n{at}")];
        for name in names {
            let body: String = (0..200_000).map(|at| part(&name(at))).chain([part("stream"), "--B--".into()]).collect();
            let parts = scan(body.as_bytes(), "multipart/form-data; boundary=B").unwrap();
            assert_eq!(parts.text(body.as_bytes(), "stream"), Some("v"));
            assert_eq!(parts.text(body.as_bytes(), &name(0)), Some("v"));
        }
    }

    #[test]
    fn a_broken_form_is_refused_in_words() {
        assert!(scan(b"--B\r\n", "multipart/form-data").unwrap_err().contains("boundary"));
        assert!(scan(b"x", "multipart/form-data; boundary=B").unwrap_err().contains("no part"));
        assert!(scan(b"--B\r\nx", "multipart/form-data; boundary=B").unwrap_err().contains("closing"));
        let twice = b"--B\r\nContent-Disposition: form-data; name=model\r\n\r\na\r\n--B\r\nContent-Disposition: form-data; name=model\r\n\r\nb\r\n--B--";
        assert!(scan(twice, "multipart/form-data; boundary=B").unwrap_err().contains("more than once"));
    }
}
