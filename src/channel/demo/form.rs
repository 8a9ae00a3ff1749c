//! The parts of a multipart form: enough to answer it, not to carry it.

use serde_json::{Map, Value, json};

/// The members of a form, or of the JSON object that some clients send in its place. A file becomes an object of
/// `filename`, `mime` and `bytes`.
pub(super) fn members(content_type: &str, body: &[u8]) -> Value {
    match boundary(content_type) {
        Some(boundary) => Value::Object(parts(boundary, body)),
        None => serde_json::from_slice(body).unwrap_or(Value::Null),
    }
}

fn boundary(content_type: &str) -> Option<&str> {
    let (kind, parameters) = content_type.split_once(';')?;
    if !kind.trim().eq_ignore_ascii_case("multipart/form-data") {
        return None;
    }
    let value = parameters.split(';').find_map(|parameter| parameter.trim().strip_prefix("boundary="))?;
    Some(value.trim_matches('"'))
}

fn parts(boundary: &str, body: &[u8]) -> Map<String, Value> {
    let delimiter = format!("--{boundary}");
    let mut members = Map::new();
    let starts: Vec<usize> = memchr::memmem::find_iter(body, delimiter.as_bytes()).collect();
    for pair in starts.windows(2) {
        let part = &body[pair[0] + delimiter.len()..pair[1]];
        let Some(end) = memchr::memmem::find(part, b"\r\n\r\n") else { continue };
        let head = String::from_utf8_lossy(&part[..end]);
        let content = part[end + 4..].strip_suffix(b"\r\n").unwrap_or(&part[end + 4..]);
        let Some(name) = parameter(&head, "name") else { continue };
        let value = match parameter(&head, "filename") {
            Some(filename) => json!({"filename": filename, "mime": mime(&head), "bytes": content.len()}),
            None => json!(String::from_utf8_lossy(content)),
        };
        add(&mut members, name.trim_end_matches("[]"), value);
    }
    members
}

/// A name that comes twice becomes a list.
fn add(members: &mut Map<String, Value>, name: &str, value: Value) {
    match members.get_mut(name) {
        None => {
            members.insert(name.to_owned(), value);
        }
        Some(Value::Array(values)) => values.push(value),
        Some(first) => *first = json!([first.take(), value]),
    }
}

fn parameter(head: &str, name: &str) -> Option<String> {
    let disposition = head.lines().find(|line| line.to_ascii_lowercase().starts_with("content-disposition:"))?;
    disposition.split(';').find_map(|parameter| {
        let (key, value) = parameter.trim().split_once('=')?;
        (key == name).then(|| value.trim().trim_matches('"').to_owned())
    })
}

fn mime(head: &str) -> &str {
    let line = head.lines().find(|line| line.to_ascii_lowercase().starts_with("content-type:"));
    line.and_then(|line| line.split_once(':')).map_or("application/octet-stream", |(_, kind)| kind.trim())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::members;

    #[test]
    fn a_form_is_read_part_by_part() {
        let body = "--b\r\nContent-Disposition: form-data; name=\"purpose\"\r\n\r\nbatch\r\n--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.txt\"\r\nContent-Type: text/plain\r\n\r\nx\r\ny\r\n--b--\r\n";
        let wanted = json!({"purpose": "batch", "file": {"filename": "a.txt", "mime": "text/plain", "bytes": 4}});
        assert_eq!(members("multipart/form-data; boundary=b", body.as_bytes()), wanted);
        assert_eq!(members("application/json", br#"{"a":1}"#), json!({"a": 1}));
    }
}
