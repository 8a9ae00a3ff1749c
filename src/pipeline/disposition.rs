//! The head of a form's part. What a provider's reader could take for something else is refused: a permission must not be evaded by
//! the spelling of a name.

/// The names of parts that decide what a call is.
const DECIDING: [&str; 3] = ["model", "session", "stream"];
const BLANKS: [char; 2] = [' ', '\t'];

/// What a part is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Disposition {
    pub(super) name: String,
    pub(super) is_file: bool,
}

/// A parameter of a header.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Parameter {
    /// In small letters.
    pub(super) name: String,
    pub(super) value: String,
    is_escaped: bool,
}

/// Reads the head of a part, from behind its boundary to the empty line.
///
/// # Errors
/// In words for the caller, of what is no head or could be read in two ways.
pub(super) fn read(head: &[u8]) -> Result<Disposition, &'static str> {
    // File names come in any coding; a name that decides something is ASCII.
    let head = String::from_utf8_lossy(head);
    let mut lines = head.split("\r\n");
    if lines.next().is_none_or(|rest| !rest.trim_matches(BLANKS).is_empty()) {
        return Err("a boundary of the multipart body is followed by something else than a line's end");
    }
    let mut found = None;
    for line in lines {
        if line.starts_with(BLANKS) || line.contains(['\r', '\n', '\0']) {
            return Err("a header of a part of the multipart body goes over several lines");
        }
        let (name, value) = line.split_once(':').ok_or("a part of the multipart body has a header without a colon")?;
        match name.trim_matches(BLANKS).to_ascii_lowercase().as_str() {
            "content-disposition" if found.is_some() => return Err("a part of the multipart body has two Content-Dispositions"),
            "content-disposition" => found = Some(disposition(value)?),
            "content-transfer-encoding" if !["7bit", "8bit", "binary"].iter().any(|plain| value.trim().eq_ignore_ascii_case(plain)) => {
                return Err("a part of the multipart body has a Content-Transfer-Encoding that is not read here; expected binary");
            }
            _ => {}
        }
    }
    found.ok_or("a part of the multipart body has no Content-Disposition")
}

fn disposition(value: &str) -> Result<Disposition, &'static str> {
    let (kind, parameters) = parameters(value).ok_or("a Content-Disposition of the multipart body cannot be read")?;
    if !kind.eq_ignore_ascii_case("form-data") {
        return Err("a part of the multipart body is no form-data");
    }
    let is_file = parameters.iter().any(|parameter| ["filename", "filename*"].contains(&&*parameter.name));
    let mut names = parameters.into_iter().filter(|parameter| ["name", "name*"].contains(&&*parameter.name));
    let (name, None) = (names.next().ok_or("a part of the multipart body has no name")?, names.next()) else {
        return Err("a part of the multipart body has two names");
    };
    let decides = DECIDING.iter().any(|deciding| name.value.trim().eq_ignore_ascii_case(deciding));
    let is_plain = name.name == "name" && !name.is_escaped && (!decides || DECIDING.contains(&&*name.value));
    if !is_plain && (decides || name.name == "name*") {
        return Err("the name of a part of the multipart body can be read in two ways; expected name=\"model\" or the like");
    }
    Ok(Disposition { name: name.value, is_file })
}

/// The first word of a header's value, and the parameters behind it (RFC 9110, 5.6.6); `None` where it is not that.
pub(super) fn parameters(value: &str) -> Option<(&str, Vec<Parameter>)> {
    let value = value.trim_matches(BLANKS);
    let (word, mut rest) = value.split_at(value.find(';').unwrap_or(value.len()));
    let mut found = Vec::new();
    while let Some(behind) = rest.strip_prefix(';') {
        rest = behind.trim_start_matches(BLANKS);
        if rest.is_empty() || rest.starts_with(';') {
            continue;
        }
        let (name, behind) = rest.split_once('=')?;
        let name = name.trim_end_matches(BLANKS);
        if name.is_empty() || name.contains(['"', ';', ' ', '\t']) {
            return None;
        }
        let (value, is_escaped, behind) = one_value(behind.trim_start_matches(BLANKS))?;
        found.push(Parameter { name: name.to_ascii_lowercase(), value, is_escaped });
        rest = behind.trim_start_matches(BLANKS);
    }
    rest.is_empty().then(|| (word.trim_end_matches(BLANKS), found))
}

/// A value, whether it was written with escapes, and what stands behind it.
fn one_value(text: &str) -> Option<(String, bool, &str)> {
    let Some(quoted) = text.strip_prefix('"') else {
        let (value, rest) = text.split_at(text.find([';', ' ', '\t']).unwrap_or(text.len()));
        return (!value.contains('"')).then(|| (value.to_owned(), false, rest));
    };
    let (mut value, mut is_escaped, mut chars) = (String::new(), false, quoted.char_indices());
    while let Some((at, char)) = chars.next() {
        match char {
            '"' => return Some((value, is_escaped, &quoted[at + 1..])),
            '\\' => {
                is_escaped = true;
                value.push(chars.next()?.1);
            }
            char => value.push(char),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::{Disposition, read};

    fn of(line: &str) -> Option<(String, bool)> {
        let head = format!("\r\nContent-Disposition: {line}\r\nContent-Type: text/plain");
        read(head.as_bytes()).ok().map(|Disposition { name, is_file }| (name, is_file))
    }

    #[test]
    fn a_name_is_found_however_it_is_spelled() {
        for (line, name, is_file) in [
            ("form-data; name=\"model\"", "model", false),
            ("form-data; name=model", "model", false),
            ("Form-Data;name=model;", "model", false),
            ("form-data; NAME=\"model\"", "model", false),
            ("form-data ; name = \"model\" ", "model", false),
            ("form-data; name=\"model\"; xfilename=\"\"", "model", false),
            ("form-data; x_name=\"z\"; name=\"model\"", "model", false),
            ("form-data; x=\"; name=z\"; name=\"model\"", "model", false),
            ("form-data; name=\"file\"; filename=\"a\"", "file", true),
            ("form-data; FileName=a; name=\"file\"", "file", true),
            ("form-data; name=\"file\"; filename*=UTF-8''a%20b", "file", true),
            ("form-data; name=\"file\"; filename=\"name=model; a\\\"b\"", "file", true),
            ("form-data; name=\"a\\\"b\"", "a\"b", false),
            ("form-data; name=a=b", "a=b", false),
            ("form-data; name=\"image[]\"; filename=\"\u{fc}.png\"", "image[]", true),
        ] {
            assert_eq!(of(line), Some((name.to_owned(), is_file)), "{line}");
        }
    }

    #[test]
    fn what_can_be_read_in_two_ways_is_refused() {
        for line in [
            "form-data",
            "form-data; name",
            "attachment; name=\"model\"",
            "form-data; name=\"model\"; name=\"x\"",
            "form-data; name=\"x\"; NAME=\"model\"",
            "form-data; name=\"x\"; name*=UTF-8''model",
            "form-data; name*=UTF-8''model",
            "form-data; name=\"mo\\del\"",
            "form-data; name=\" model\"",
            "form-data; name=\"Model\"",
            "form-data; name=\"model",
            "form-data; name=\"model\" x",
            "form-data; name=\"x\"model\"",
            "form-data; filename=\"\\\"; name=\"model\"",
            "form-data, name=\"model\"",
            "form-data; name=x\r\nContent-Disposition: form-data; name=model",
            "form-data; name=x\r\n ; name=model",
            "form-data; name=x\nContent-Disposition: form-data; name=model",
            "form-data; name=x\r\nno header",
            "form-data; name=model\r\nContent-Transfer-Encoding: base64",
        ] {
            assert_eq!(of(line), None, "{line}");
        }
        assert!(read(b"-x\r\nContent-Disposition: form-data; name=x").is_err());
        assert!(read(b"").is_err());
    }
}
