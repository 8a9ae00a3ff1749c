//! Ids of calls, which Google leaves out as often as not: made from the call's place, so that they never change.

/// The id of a call in a request: `call_t1p0` stands in `contents[1].parts[0]`.
pub(super) fn of_place(turn: usize, part: usize) -> String {
    format!("call_t{turn}p{part}")
}

/// Whether [`of_place`] made it: Google is not told what it did not say.
pub(super) fn is_of_place(id: &str) -> bool {
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    id.strip_prefix("call_t").and_then(|rest| rest.split_once('p')).is_some_and(|(turn, part)| digits(turn) && digits(part))
}

/// The id of the answer's `number`th call.
pub(super) fn of_answer(answer: &str, number: usize) -> String {
    made("call", answer, number)
}

/// The id of the `number`th thing that a tool of Google's own did in an answer.
pub(super) fn of_server(answer: &str, number: usize) -> String {
    made("srv", answer, number)
}

fn made(kind: &str, answer: &str, number: usize) -> String {
    let mut id = format!("{kind}_");
    id.extend(answer.chars().filter(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-')).take(28));
    id.push_str(&format!("_{number}"));
    id
}

#[cfg(test)]
mod tests {
    use super::{is_of_place, of_answer, of_place};

    #[test]
    fn ids_fit_every_dialect() {
        assert!(is_of_place(&of_place(12, 3)));
        for id in ["call_t1", "call_tp", "call_1", "toolu_01", "call_t1px"] {
            assert!(!is_of_place(id), "{id}");
        }
        let id = of_answer("a/very+long=answer_id_that_goes_on_and_on_and_on", 0);
        assert!(id.len() <= 40 && id.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-'), "{id}");
    }
}
