//! The body of a request. The messages come last, so that a longer conversation begins as the shorter one.

use super::{
    super::{
        Dialect,
        canon::Request,
        names::{Field, path},
        spoke::Target,
    },
    leftovers::write_outer,
    lower_messages, lower_options, lower_tools,
    profile::{Profile, profile},
};
use crate::{
    protocol::json::object,
    transform::{Loss, Refused},
};

/// What the writers of a request share.
#[derive(Clone, Copy, Debug)]
pub(super) struct Task<'r> {
    pub(super) request: &'r Request<'r>,
    pub(super) profile: Profile,
    pub(super) target: Target,
    /// Whether the request came in this dialect: its sender knows the model, and answers for it.
    pub(super) own: bool,
}

impl Task<'_> {
    /// The sender's path of an option.
    pub(super) fn path(&self, field: Field) -> &'static str {
        path(self.request.from, field)
    }

    /// Tells an option as left out.
    pub(super) fn drop(&self, field: Field, losses: &mut Vec<Loss>) {
        losses.push(Loss::dropped(self.path(field)));
    }
}

/// Writes a request.
pub(super) fn lower(request: &Request<'_>, target: Target, losses: &mut Vec<Loss>) -> Result<Vec<u8>, Refused> {
    let task = Task { request, profile: profile(&request.model), target, own: request.from == Dialect::Chat };
    refuse(&task)?;
    let mut out = Vec::with_capacity(4096);
    let mut done = Ok(());
    object(&mut out, |body| {
        body.text("model", &request.model);
        if request.streams {
            body.bool("stream", true);
        }
        lower_options::write(&task, body, losses);
        lower_tools::write(&task, body, losses);
        if task.own {
            write_outer(&request.rest, body);
        } else {
            request.rest.lose(String::new, losses);
        }
        body.array("messages", |list| done = lower_messages::write(&task, list, losses));
    });
    done.map(|()| out)
}

/// What would be another request without it.
fn refuse(task: &Task<'_>) -> Result<(), Refused> {
    let (state, path) = (&task.request.state, |field| task.path(field));
    let told = "Chat Completions keeps no conversations; send the whole of it";
    if state.previous.is_some() {
        return Err(Refused::impossible(path(Field::Previous), told));
    }
    if state.conversation.is_some() {
        return Err(Refused::impossible(path(Field::Conversation), told));
    }
    if state.background == Some(true) {
        return Err(Refused::impossible(path(Field::Background), "Chat Completions answers at once; leave it out"));
    }
    if task.request.cache.content.is_some() {
        return Err(Refused::impossible(path(Field::CachedContent), "the cached content lies with another provider; send it as contents"));
    }
    Ok(())
}
