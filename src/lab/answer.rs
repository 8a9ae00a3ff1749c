//! The healthy answer: the numbers from one to sixty in words, a word a token, in each dialect, whole or streamed.

mod chat;
mod claude;
mod gemini;
mod responses;

use serde_json::{Value, json};

use super::{Dialect, ask::Ask};

/// What a client asks.
pub const PROMPT: &str = "Count from one to sixty in words, with a space between two numbers and nothing else.";

/// Tokens of the whole answer.
pub const TOKENS: usize = 60;

/// Tokens of the prompt, as providers count it here.
const PROMPT_TOKENS: usize = 17;

/// When every answer was made, Unix seconds.
const CREATED: u64 = 1_790_000_000;

/// The whole answer.
#[must_use]
pub fn text() -> String {
    (1..=TOKENS).map(word).collect::<Vec<_>>().join(" ")
}

fn word(number: usize) -> String {
    const SMALL: [&str; 20] = [
        "zero",
        "one",
        "two",
        "three",
        "four",
        "five",
        "six",
        "seven",
        "eight",
        "nine",
        "ten",
        "eleven",
        "twelve",
        "thirteen",
        "fourteen",
        "fifteen",
        "sixteen",
        "seventeen",
        "eighteen",
        "nineteen",
    ];
    const TENS: [&str; 7] = ["", "", "twenty", "thirty", "forty", "fifty", "sixty"];
    match (number, number % 10) {
        (0..20, _) => SMALL[number].to_owned(),
        (_, 0) => TENS[number / 10].to_owned(),
        (_, rest) => format!("{}-{}", TENS[number / 10], SMALL[rest]),
    }
}

/// The tokens that are still to say after `said`, a beginning of the answer; all of them where it is none.
pub(super) fn pieces(said: &str) -> Vec<String> {
    let words: Vec<String> = (1..=TOKENS).map(word).collect();
    let known = said.split_whitespace().count();
    let begun = known > 0 && known < TOKENS && said.split_whitespace().eq(words[..known].iter().map(String::as_str));
    let from = if begun { known } else { 0 };
    let bare = from == 0 || said.ends_with(char::is_whitespace);
    let piece = |(index, word): (usize, &String)| if index == 0 && bare { word.clone() } else { format!(" {word}") };
    words[from..].iter().enumerate().map(piece).collect()
}

/// A stream in its parts, each event as it stands on the wire.
#[derive(Debug, Default)]
pub(super) struct Parts {
    /// What comes before content.
    pub(super) opening: Vec<Vec<u8>>,
    /// One event a token.
    pub(super) content: Vec<Vec<u8>>,
    /// What comes after content, with the reason of the end and the usage.
    pub(super) closing: Vec<Vec<u8>>,
    /// The event after which nothing comes, where the dialect has one.
    pub(super) terminal: Option<Vec<u8>>,
    /// An event of broken JSON.
    pub(super) garbage: Vec<u8>,
}

/// The answer as a stream. `serial` makes its ids.
pub(super) fn stream(ask: &Ask, serial: u64) -> Parts {
    match ask.dialect {
        Dialect::Chat => chat::stream(ask, serial),
        Dialect::Responses => responses::stream(ask, serial),
        Dialect::Claude => claude::stream(ask, serial),
        Dialect::Gemini => gemini::stream(ask, serial),
    }
}

/// The answer in one piece. `serial` makes its ids.
pub(super) fn whole(ask: &Ask, serial: u64) -> Value {
    match ask.dialect {
        Dialect::Chat => chat::whole(ask, serial),
        Dialect::Responses => responses::whole(ask, serial),
        Dialect::Claude => claude::whole(ask, serial),
        Dialect::Gemini => gemini::whole(ask, serial),
    }
}

/// A refusal in a dialect: its status, the code that OpenAI's dialects say, and a message.
pub(super) fn error(dialect: Dialect, status: u16, code: Option<&str>, message: &str) -> Value {
    match dialect {
        Dialect::Chat | Dialect::Responses => {
            let kind = match status {
                429 => "rate_limit_error",
                400..500 => "invalid_request_error",
                _ => "server_error",
            };
            json!({ "error": { "message": message, "type": kind, "param": null, "code": code } })
        }
        Dialect::Claude => {
            let kind = match status {
                429 => "rate_limit_error",
                400 => "invalid_request_error",
                401 => "authentication_error",
                403 => "permission_error",
                404 => "not_found_error",
                529 => "overloaded_error",
                _ => "api_error",
            };
            json!({ "type": "error", "error": { "type": kind, "message": message }, "request_id": "req_lab" })
        }
        Dialect::Gemini => {
            let word = match status {
                400 => "INVALID_ARGUMENT",
                401 => "UNAUTHENTICATED",
                403 => "PERMISSION_DENIED",
                404 => "NOT_FOUND",
                429 => "RESOURCE_EXHAUSTED",
                500 => "INTERNAL",
                503 => "UNAVAILABLE",
                504 => "DEADLINE_EXCEEDED",
                _ => "UNKNOWN",
            };
            json!({ "error": { "code": status, "message": message, "status": word } })
        }
    }
}

/// An event with data alone.
fn data(value: &Value) -> Vec<u8> {
    format!("data: {value}\n\n").into_bytes()
}

/// An event whose name is its data's type.
fn named(value: &Value) -> Vec<u8> {
    format!("event: {}\ndata: {value}\n\n", value["type"].as_str().unwrap_or_default()).into_bytes()
}

/// The same event with its data broken off, so that it is no JSON.
fn broken(event: &[u8]) -> Vec<u8> {
    let text = String::from_utf8_lossy(event);
    let kept = text.trim_end().trim_end_matches(['}', ']']);
    format!("{},\"garbage\n\n", kept.trim_end_matches('"')).into_bytes()
}

#[cfg(test)]
mod tests {
    use super::{TOKENS, pieces, text};

    #[test]
    fn the_answer_is_sixty_words() {
        let text = text();
        assert_eq!(text.split(' ').count(), TOKENS);
        assert!(text.starts_with("one two three ") && text.contains(" twenty twenty-one ") && text.ends_with(" fifty-nine sixty"));
        assert_eq!(pieces("").concat(), text);
    }

    #[test]
    fn a_beginning_is_continued_and_anything_else_is_not() {
        let whole = text();
        let said = whole.split(' ').take(40).collect::<Vec<_>>().join(" ");
        assert_eq!(pieces(&said).len(), 20);
        assert_eq!(format!("{said}{}", pieces(&said).concat()), whole);
        assert_eq!(format!("{said} {}", pieces(&format!("{said} ")).concat()), whole);
        assert_eq!(pieces("something else").concat(), whole);
        assert_eq!(pieces(&whole).concat(), whole);
    }
}
