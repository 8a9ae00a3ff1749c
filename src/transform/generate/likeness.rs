//! A frame that is like the one before it but for its words, told without reading it.
//!
//! A stream of text is hundreds of frames with the same members. Where a frame became one piece of text, and left nothing behind
//! in its reader, the next one that begins and ends with the same bytes is the next piece.

use std::{borrow::Cow, ops::Range};

use super::{
    event::{Delta, Event},
    spoke::Lift,
};

/// What the last frame was but for its words.
#[derive(Debug, Default)]
pub(super) struct Likeness {
    name: Vec<u8>,
    before: Vec<u8>,
    after: Vec<u8>,
    /// The block that it went on with; `None` where the next frame must be read.
    block: Option<usize>,
}

impl Likeness {
    /// Reads a frame.
    pub(super) fn read(&mut self, lift: &mut dyn Lift, (name, data): (&[u8], &[u8]), sink: &mut dyn FnMut(Event<'_>)) {
        if let Some((block, words)) = self.words(name, data) {
            return sink(Event::Delta { block, delta: Delta::Text(Cow::Borrowed(words)) });
        }
        let (mut count, mut found) = (0, None);
        lift.push(name, data, &mut |event| {
            count += 1;
            if let Event::Delta { block, delta: Delta::Text(Cow::Borrowed(words)) } = &event {
                found = place(words, data).map(|at| (*block, at));
            }
            sink(event);
        });
        self.block = None;
        if let (1, Some((block, at)), true) = (count, found, lift.repeats()) {
            for (kept, bytes) in [(&mut self.name, name), (&mut self.before, &data[..at.start]), (&mut self.after, &data[at.end..])] {
                kept.clear();
                kept.extend_from_slice(bytes);
            }
            self.block = Some(block);
        }
    }

    fn words<'d>(&self, name: &[u8], data: &'d [u8]) -> Option<(usize, &'d str)> {
        let block = self.block.filter(|_| self.name == name)?;
        let words = data.strip_prefix(&*self.before)?.strip_suffix(&*self.after)?;
        let plain = !words.is_empty() && words.iter().all(|byte| *byte >= b' ' && !matches!(byte, b'"' | b'\\'));
        plain.then(|| std::str::from_utf8(words).ok()).flatten().map(|words| (block, words))
    }
}

/// Where words stand in a frame, where they are a whole string of it as it was written.
fn place(words: &str, data: &[u8]) -> Option<Range<usize>> {
    let begin = words.as_ptr().addr().checked_sub(data.as_ptr().addr())?;
    let end = begin + words.len();
    let quoted = begin > 0 && data.get(begin - 1) == Some(&b'"') && data.get(end) == Some(&b'"');
    quoted.then_some(begin..end)
}

#[cfg(test)]
mod tests {
    use super::{super::Dialect, Likeness};
    use crate::transform::generate::spoke::spoke;

    /// Every frame, read with and without a memory of the one before.
    fn both(dialect: Dialect, frames: &[String]) -> [String; 2] {
        let (mut with, mut without) = (String::new(), String::new());
        let (mut lift, mut bare, mut likeness) = (spoke(dialect).lifter(), spoke(dialect).lifter(), Likeness::default());
        for frame in frames {
            likeness.read(&mut *lift, (b"", frame.as_bytes()), &mut |event| with.push_str(&format!("{event:?}\n")));
            bare.push(b"", frame.as_bytes(), &mut |event| without.push_str(&format!("{event:?}\n")));
        }
        [with, without]
    }

    #[test]
    fn a_frame_like_the_last_says_what_reading_it_says() {
        let chat = |delta: &str, more: &str| {
            format!(r#"{{"id":"c","model":"m","choices":[{{"index":0,"delta":{{{delta}}},"finish_reason":null{more}}}],"usage":null}}"#)
        };
        let text = |words: &str| chat(&format!(r#""content":"{words}""#), "");
        let mut frames = vec![chat(r#""role":"assistant","content":"""#, "")];
        frames.extend(["Hel", "lo", "", r"a\nb", r#"x","refusal":"no"#, "é", "end"].map(text));
        frames.push(chat(r#""content":"s""#, r#","logprobs":{"content":[]}"#));
        frames.push(chat(r#""reasoning_content":"hm""#, ""));
        frames.extend(["again", "and again"].map(text));
        frames.push(chat(r#""audio":{"data":"AAAA","transcript":"la"}"#, ""));
        frames.extend(["la", "li"].map(|words| chat(&format!(r#""audio":{{"data":"AAAA","transcript":"{words}"}}"#), "")));
        frames.push(chat("", "").replace("null}],", r#""stop"}],"#));
        frames.push("[DONE]".to_owned());
        let [with, without] = both(Dialect::Chat, &frames);
        assert_eq!(with, without);
        let claude =
            |words: &str| format!(r#"{{"type":"content_block_delta","index":0,"delta":{{"type":"text_delta","text":"{words}"}}}}"#);
        let mut frames = vec![
            r#"{"type":"message_start","message":{"id":"m","model":"m"}}"#.to_owned(),
            r#"{"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}}"#.to_owned(),
        ];
        frames.extend(["a", "b", r"\u00e9", "c", "d"].map(claude));
        frames.push(r#"{"type":"content_block_stop","index":0}"#.to_owned());
        frames.push(claude("late"));
        let [with, without] = both(Dialect::Claude, &frames);
        assert_eq!(with, without);
    }
}
