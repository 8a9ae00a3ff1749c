//! The body of a whole answer: what its stream would end with.

use super::super::{
    canon::Answer,
    fold,
    frames::Frames,
    spoke::{Lower, Telling},
};
use super::{OWN, lower_stream::Writer};
use crate::{protocol::json::object, transform::Loss};

/// Lowers an answer.
pub(super) fn lower(answer: &Answer<'_>, telling: &Telling, losses: &mut Vec<Loss>) -> Vec<u8> {
    let mut writer = Writer::silent(telling);
    let mut frames = Frames::new(telling.wire);
    fold::unfold(answer, &mut |event| writer.push(&event, &mut frames, losses));
    for choice in &answer.choices {
        choice.rest.lose(|| format!("choices[{}]", choice.index), losses);
    }
    let (response, ending, tokens) = writer.answer();
    let mut out = Vec::with_capacity(2048);
    object(&mut out, |o| {
        response.response(ending, tokens, o);
        answer.rest.write(OWN, o, String::new, losses);
    });
    out
}
