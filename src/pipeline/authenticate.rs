//! Who asks.

use super::{classify::Classified, error::GatewayError};
use crate::{
    access::{Caller, Directory, Forbidden, admit_here, identify},
    base::Secret,
    protocol::OperationKind,
};

/// A call whose caller is known.
#[derive(Debug)]
pub(super) struct Authenticated {
    /// In a box, since each room hands the call on.
    pub(super) call: Box<Classified>,
    pub(super) caller: Caller,
}

/// Finds the caller behind the call's key.
///
/// # Errors
/// No key, an unknown one, a disabled one, an expired one; one that opens nothing, for a socket.
pub(super) fn authenticate(mut call: Box<Classified>, directory: &Directory) -> Result<Authenticated, (Box<Classified>, GatewayError)> {
    let token = call.token.take();
    let token = token.as_ref().map(|token: &Secret<String>| token.expose().as_str());
    match identify(directory, token, call.inbound.at_ms, call.inbound.peer) {
        Ok(caller) => match may_wait(&call, &caller) {
            Ok(()) => Ok(Authenticated { call, caller }),
            Err(refusal) => Err((call, refusal.into())),
        },
        Err(refusal) => Err((call, refusal.into())),
    }
}

/// A socket names its models in messages that may never come: before it opens, its caller must be one that may use something.
fn may_wait(call: &Classified, caller: &Caller) -> Result<(), Forbidden> {
    match call.row.key(false).kind() {
        OperationKind::OpenAiResponsesWebSocket => admit_here(caller),
        OperationKind::OpenAiChatCompletions
        | OperationKind::OpenAiResponses
        | OperationKind::ClaudeMessages
        | OperationKind::GeminiGenerateContent
        | OperationKind::OpenAi
        | OperationKind::Claude
        | OperationKind::Gemini => Ok(()),
    }
}
