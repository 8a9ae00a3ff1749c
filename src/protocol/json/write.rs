//! Writing: members in the order they are named, straight into a buffer.

use serde_json::value::RawValue;

/// Writes an object with what `fill` puts into it.
pub fn object(out: &mut Vec<u8>, fill: impl FnOnce(&mut ObjectWriter<'_>)) {
    out.push(b'{');
    fill(&mut ObjectWriter { out, first: true });
    out.push(b'}');
}

/// Writes an array with what `fill` puts into it.
pub fn array(out: &mut Vec<u8>, fill: impl FnOnce(&mut ArrayWriter<'_>)) {
    out.push(b'[');
    fill(&mut ArrayWriter { out, first: true });
    out.push(b']');
}

/// Writes a string.
pub fn text(out: &mut Vec<u8>, text: &str) {
    // Most have nothing to escape, which is seen without a branch for each byte.
    #[expect(clippy::needless_bitwise_bool, reason = "without branches the compiler looks at many bytes at once")]
    let has_escapes = text.bytes().fold(false, |found, byte| found | (byte < b' ') | (byte == b'"') | (byte == b'\\'));
    if !has_escapes {
        out.reserve(text.len() + 2);
        out.push(b'"');
        out.extend_from_slice(text.as_bytes());
        out.push(b'"');
        return;
    }
    #[expect(clippy::expect_used, reason = "a string into memory cannot fail")]
    serde_json::to_writer(out, text).expect("a string is written");
}

fn unsigned(out: &mut Vec<u8>, mut number: u64) {
    let mut digits = [b'0'; 20];
    let mut begin = digits.len();
    for digit in digits.iter_mut().rev() {
        *digit += u8::try_from(number % 10).unwrap_or_default();
        number /= 10;
        begin -= 1;
        if number == 0 {
            break;
        }
    }
    out.extend_from_slice(&digits[begin..]);
}

fn number(out: &mut Vec<u8>, number: f64) {
    #[expect(clippy::cast_possible_truncation, reason = "checked to be whole and small")]
    if number.fract() == 0.0 && number.abs() < 1e15 {
        out.extend_from_slice((number as i64).to_string().as_bytes());
    } else {
        out.extend_from_slice(serde_json::Value::from(number).to_string().as_bytes());
    }
}

/// An object in the making.
#[derive(Debug)]
pub struct ObjectWriter<'w> {
    out: &'w mut Vec<u8>,
    first: bool,
}

impl ObjectWriter<'_> {
    fn key(&mut self, name: &str) -> &mut Vec<u8> {
        if !self.first {
            self.out.push(b',');
        }
        self.first = false;
        text(self.out, name);
        self.out.push(b':');
        self.out
    }

    /// A string.
    pub fn text(&mut self, name: &str, value: &str) -> &mut Self {
        text(self.key(name), value);
        self
    }

    /// A string, where there is one.
    pub fn some_text(&mut self, name: &str, value: Option<&str>) -> &mut Self {
        if let Some(value) = value {
            self.text(name, value);
        }
        self
    }

    /// A string, or `null` where there is none.
    pub fn text_or_null(&mut self, name: &str, value: Option<&str>) -> &mut Self {
        match value {
            Some(value) => self.text(name, value),
            None => self.null(name),
        }
    }

    /// `null`.
    pub fn null(&mut self, name: &str) -> &mut Self {
        self.key(name).extend_from_slice(b"null");
        self
    }

    /// A boolean.
    pub fn bool(&mut self, name: &str, value: bool) -> &mut Self {
        self.key(name).extend_from_slice(if value { b"true" } else { b"false" });
        self
    }

    /// A whole number.
    pub fn unsigned(&mut self, name: &str, value: u64) -> &mut Self {
        unsigned(self.key(name), value);
        self
    }

    /// A whole number that may be negative.
    pub fn signed(&mut self, name: &str, value: i64) -> &mut Self {
        self.key(name).extend_from_slice(value.to_string().as_bytes());
        self
    }

    /// A number; whole ones are written without a fraction.
    pub fn number(&mut self, name: &str, value: f64) -> &mut Self {
        number(self.key(name), value);
        self
    }

    /// JSON as it stands.
    pub fn raw(&mut self, name: &str, value: &RawValue) -> &mut Self {
        self.json(name, value.get())
    }

    /// JSON text, which must be valid.
    pub fn json(&mut self, name: &str, json: &str) -> &mut Self {
        self.key(name).extend_from_slice(json.as_bytes());
        self
    }

    /// An object.
    pub fn object(&mut self, name: &str, fill: impl FnOnce(&mut ObjectWriter<'_>)) -> &mut Self {
        object(self.key(name), fill);
        self
    }

    /// An array.
    pub fn array(&mut self, name: &str, fill: impl FnOnce(&mut ArrayWriter<'_>)) -> &mut Self {
        array(self.key(name), fill);
        self
    }
}

/// An array in the making.
#[derive(Debug)]
pub struct ArrayWriter<'w> {
    out: &'w mut Vec<u8>,
    first: bool,
}

impl ArrayWriter<'_> {
    fn element(&mut self) -> &mut Vec<u8> {
        if !self.first {
            self.out.push(b',');
        }
        self.first = false;
        self.out
    }

    /// Whether nothing was written yet.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.first
    }

    /// A string.
    pub fn text(&mut self, value: &str) -> &mut Self {
        text(self.element(), value);
        self
    }

    /// A number; whole ones are written without a fraction.
    pub fn number(&mut self, value: f64) -> &mut Self {
        number(self.element(), value);
        self
    }

    /// JSON as it stands.
    pub fn raw(&mut self, value: &RawValue) -> &mut Self {
        self.json(value.get())
    }

    /// JSON text, which must be valid.
    pub fn json(&mut self, json: &str) -> &mut Self {
        self.element().extend_from_slice(json.as_bytes());
        self
    }

    /// An object.
    pub fn object(&mut self, fill: impl FnOnce(&mut ObjectWriter<'_>)) -> &mut Self {
        object(self.element(), fill);
        self
    }

    /// An array.
    pub fn array(&mut self, fill: impl FnOnce(&mut ArrayWriter<'_>)) -> &mut Self {
        array(self.element(), fill);
        self
    }
}
