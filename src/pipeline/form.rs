//! A shallow look at a multipart form: where its short text parts stand. Files are passed over unread.

use std::{collections::BTreeMap, ops::Range};

use super::disposition::{self, Disposition};

/// Whether a content type is that of a form.
pub(super) fn is_form(content_type: &str) -> bool {
    content_type.trim_start().get(..19).is_some_and(|start| start.eq_ignore_ascii_case("multipart/form-data"))
}

/// The text parts of a form, by name.
#[derive(Debug, Default)]
pub(super) struct Parts {
    texts: BTreeMap<String, Vec<Range<usize>>>,
}

impl Parts {
    /// Where the value of a text part stands.
    #[must_use]
    pub(super) fn range(&self, name: &str) -> Option<Range<usize>> {
        self.texts.get(name)?.first().cloned()
    }

    /// The same of a part that stands there once at most.
    ///
    /// # Errors
    /// In words for the caller, where it stands there more often: each reader would choose another one.
    pub(super) fn only(&self, name: &str) -> Result<Option<Range<usize>>, String> {
        match self.texts.get(name).map(Vec::as_slice) {
            None | Some([]) => Ok(None),
            Some([only]) => Ok(Some(only.clone())),
            Some(_) => Err(format!("{name:?} is given more than once")),
        }
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
    let first = finder.find(body).ok_or("the multipart body has no part")?;
    if first > 0 && !body[..first].ends_with(b"\r\n") {
        return Err(WITHIN_A_LINE.into());
    }
    let mut at = first + delimiter.len();
    loop {
        if body[at..].starts_with(b"--") {
            return Ok(parts);
        }
        let Some(step) = finder.find(&body[at..]) else { return Err("the multipart body has no closing boundary".into()) };
        let part = at..at + step;
        if let Some((name, value)) = text_part(body, part)? {
            let is_model = name == "model";
            let ranges = parts.texts.entry(name).or_default();
            ranges.push(value.clone());
            if is_model && body[ranges[0].clone()] != body[value] {
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

fn boundary(content_type: &str) -> Option<String> {
    let mut boundaries = disposition::parameters(content_type)?.1.into_iter().filter(|parameter| parameter.name == "boundary");
    let (boundary, None) = (boundaries.next()?.value, boundaries.next()) else { return None };
    (!boundary.is_empty()).then_some(boundary)
}

const WITHIN_A_LINE: &str = "a boundary of the multipart body stands within a line";

/// Name and value of a part without a file name; the part's bytes run from behind one delimiter to the next.
fn text_part(body: &[u8], part: Range<usize>) -> Result<Option<(String, Range<usize>)>, &'static str> {
    let head_end = memchr::memmem::find(&body[part.clone()], b"\r\n\r\n").ok_or("a part of the multipart body has no empty line")?;
    let head_end = head_end + part.start;
    let Disposition { name, is_file } = disposition::read(&body[part.start..head_end])?;
    if is_file && name == "model" {
        return Err("\"model\" is a file; expected text");
    }
    let start = head_end + 4;
    let end = part.end.checked_sub(2).filter(|end| *end >= start && body[*end..].starts_with(b"\r\n")).ok_or(WITHIN_A_LINE)?;
    // Of settings that come as a Blob, browsers make a file.
    Ok((!is_file || name == "session").then_some((name, start..end)))
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
    fn a_model_does_not_hide_from_the_scan() {
        let form = |head: &str| format!("--B\r\nContent-Disposition: form-data; {head}\r\n\r\nup/m\r\n--B--\r\n");
        let found = |body: &str, content_type: &str| {
            scan(body.as_bytes(), content_type).map(|parts| parts.text(body.as_bytes(), "model") == Some("up/m"))
        };
        let plain = form("name=\"model\"");
        for (body, content_type) in [
            (plain.as_str(), "multipart/form-data; boundary=B"),
            (&plain, "multipart/form-data; xboundary=A; Boundary=\"B\""),
            (&format!("preamble\r\n{plain}"), "multipart/form-data;boundary=B;charset=utf-8"),
            (&form("name=\"model\"; xfilename=\"\""), "multipart/form-data; boundary=B"),
            (&form("x_name=\"z\"; name=\"model\""), "multipart/form-data; boundary=B"),
            (&form("name = \"model\""), "multipart/form-data; boundary=B"),
            (&form("NAME=\"model\""), "multipart/form-data; boundary=B"),
        ] {
            assert_eq!(found(body, content_type), Ok(true), "{content_type}\n{body}");
        }
        let part = "Content-Disposition: form-data; name=\"a\"\r\n\r\nx";
        for (body, content_type) in [
            (plain.as_str(), "multipart/form-data; boundary=A; boundary=B"),
            (&form("name=\"model\"; filename=\"a\""), "multipart/form-data; boundary=B"),
            (&format!("x--B--\r\n{plain}"), "multipart/form-data; boundary=B"),
            (&format!("--B\r\n{part}--B--\r\n{plain}"), "multipart/form-data; boundary=B"),
            (&format!("--B\r\n{part}\r\n--Bx\r\n{plain}"), "multipart/form-data; boundary=B"),
            (&plain.replace("\r\n\r\n", "\n\n"), "multipart/form-data; boundary=B"),
        ] {
            assert!(found(body, content_type).is_err(), "{content_type}\n{body}");
        }
        let twice = form("name=model").replace("--B--", "--B") + &form("name=model")[5..];
        let parts = scan(twice.as_bytes(), "multipart/form-data; boundary=B").unwrap();
        assert!(parts.only("model").unwrap_err().contains("more than once") && parts.only("x") == Ok(None));
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
