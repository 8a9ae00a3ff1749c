//! Things that a provider keeps: files, batches, videos, conversations, responses. Nothing is kept here: an id
//! carries one number and a check, so what was given out is known again and nothing else is.

use serde_json::{Value, json};

use super::{
    answer::{Answer, Refusal},
    responses,
    script::{CREATED, CREATED_TEXT, Seed},
};
use crate::protocol::{Family, Operation};

/// An id that carries a number.
pub(super) fn id(prefix: &str, number: u64) -> String {
    let number = number & 0xffff_ffff;
    let check = Seed::of(&[prefix.as_bytes(), &number.to_be_bytes()]).id("");
    format!("{prefix}demo{number:08x}{}", &check[..16])
}

/// The number of an id that [`id`] made.
pub(super) fn size(prefix: &str, given: &str) -> Option<u64> {
    let digits = given.strip_prefix(prefix)?.strip_prefix("demo")?.get(..8)?;
    let number = u64::from_str_radix(digits, 16).ok()?;
    (id(prefix, number) == given).then_some(number)
}

fn known(prefix: &str, given: &str, what: &str) -> Result<u64, Refusal> {
    size(prefix, given).ok_or_else(|| Refusal::unknown(format!("no {what} found with id {given:?}")))
}

/// A call about something kept, in the words of its path.
pub(super) struct Visit<'a> {
    pub(super) family: Family,
    pub(super) operation: Operation,
    /// Path segments behind the version.
    pub(super) path: Vec<&'a str>,
    /// The members of the body.
    pub(super) members: &'a Value,
    pub(super) seed: Seed,
}

impl Visit<'_> {
    fn id(&self, at: usize) -> &str {
        self.path.get(at).copied().unwrap_or("")
    }
}

fn empty_list() -> Value {
    json!({"object": "list", "data": [], "first_id": null, "last_id": null, "has_more": false})
}

/// Answers about stored responses.
pub(super) fn response(visit: &Visit<'_>) -> Result<Answer, Refusal> {
    let given = visit.id(1);
    known("resp_", given, "response")?;
    Ok(Answer::json(&match visit.operation {
        Operation::DeleteResponse => json!({"id": given, "object": "response", "deleted": true}),
        Operation::CancelResponse => responses::stored(given, "cancelled")?,
        Operation::ListResponseInput => {
            let item = id("msg_", 1);
            let content = json!([{"type": "input_text", "text": "This response was kept."}]);
            let data = json!([{"id": item, "type": "message", "role": "user", "status": "completed", "content": content}]);
            json!({"object": "list", "data": data, "first_id": item, "last_id": item, "has_more": false})
        }
        _ => responses::stored(given, "completed")?,
    }))
}

/// Answers about conversations.
pub(super) fn conversation(visit: &Visit<'_>) -> Result<Answer, Refusal> {
    let metadata = || if visit.members["metadata"].is_object() { visit.members["metadata"].clone() } else { json!({}) };
    let whole = |given: &str| json!({"id": given, "object": "conversation", "created_at": CREATED, "metadata": metadata()});
    if visit.operation == Operation::CreateConversation {
        return Ok(Answer::json(&whole(&id("conv_", visit.seed.number()))));
    }
    let given = visit.id(1);
    known("conv_", given, "conversation")?;
    let item = || json!({"id": visit.id(3), "type": "message", "role": "user", "status": "completed", "content": [{"type": "input_text", "text": "kept"}]});
    Ok(Answer::json(&match visit.operation {
        Operation::DeleteConversation => json!({"id": given, "object": "conversation.deleted", "deleted": true}),
        Operation::CreateConversationItems => items(visit)?,
        Operation::ListConversationItems => json!({"object": "list", "data": [], "first_id": "", "last_id": "", "has_more": false}),
        Operation::RetrieveConversationItem => {
            known("msg_", visit.id(3), "item")?;
            item()
        }
        Operation::DeleteConversationItem => {
            known("msg_", visit.id(3), "item")?;
            whole(given)
        }
        _ => whole(given),
    }))
}

fn items(visit: &Visit<'_>) -> Result<Value, Refusal> {
    let mut data = super::read::list(visit.members, "items")?.to_vec();
    for (at, item) in data.iter_mut().enumerate().filter(|(_, item)| item.is_object()) {
        if item["id"].is_null() {
            item["id"] = id("msg_", visit.seed.number() + at as u64).into();
        }
        if item["type"].is_null() {
            item["type"] = "message".into();
        }
        if let Some(text) = item["content"].as_str().map(str::to_owned) {
            item["content"] = json!([{"type": "input_text", "text": text}]);
        }
        item["status"] = "completed".into();
    }
    let ends = |item: Option<&Value>| item.map_or(Value::Null, |item| item["id"].clone());
    Ok(json!({"object": "list", "first_id": ends(data.first()), "last_id": ends(data.last()), "has_more": false, "data": data}))
}

/// Answers about files.
pub(super) fn file(visit: &Visit<'_>) -> Result<Answer, Refusal> {
    let claude = visit.family == Family::Claude;
    let prefix = if claude { "file_" } else { "file-" };
    let whole = |given: &str, bytes: u64, name: &str, purpose: &str, mime: &str| {
        if claude {
            json!({"id": given, "type": "file", "filename": name, "mime_type": mime, "size_bytes": bytes, "created_at": CREATED_TEXT, "downloadable": true})
        } else {
            json!({"id": given, "object": "file", "bytes": bytes, "created_at": CREATED, "filename": name, "purpose": purpose, "status": "processed", "expires_at": null, "status_details": null})
        }
    };
    match visit.operation {
        Operation::CreateFile => {
            let file = &visit.members["file"];
            let Some(bytes) = file["bytes"].as_u64() else { return Err(Refusal::required("file")) };
            let purpose = visit.members["purpose"].as_str();
            if purpose.is_none() && !claude {
                return Err(Refusal::required("purpose"));
            }
            let text = |name: &str, usual: &str| file[name].as_str().unwrap_or(usual).to_owned();
            let (name, mime) = (text("filename", "file"), text("mime", "application/octet-stream"));
            return Ok(Answer::json(&whole(&id(prefix, bytes), bytes, &name, purpose.unwrap_or(""), &mime)));
        }
        Operation::ListFiles => return Ok(Answer::json(&list_of(visit.family))),
        _ => {}
    }
    let given = visit.id(1);
    let bytes = known(prefix, given, "file")?;
    Ok(match visit.operation {
        Operation::DeleteFile if claude => Answer::json(&json!({"id": given, "type": "file_deleted"})),
        Operation::DeleteFile => Answer::json(&json!({"id": given, "object": "file", "deleted": true})),
        Operation::DownloadFile => {
            let length = usize::try_from(bytes.min(64 << 20)).unwrap_or(0);
            Answer::bytes("application/octet-stream", b"demo\n".iter().copied().cycle().take(length).collect::<Vec<u8>>())
        }
        _ => Answer::json(&whole(given, bytes, "file", "user_data", "application/octet-stream")),
    })
}

fn list_of(family: Family) -> Value {
    let mut list = empty_list();
    if let (Family::Claude, Some(list)) = (family, list.as_object_mut()) {
        list.remove("object");
    }
    list
}

/// Answers about batches.
pub(super) fn batch(visit: &Visit<'_>) -> Result<Answer, Refusal> {
    if visit.operation == Operation::ListBatches {
        return Ok(Answer::json(&list_of(visit.family)));
    }
    match visit.family {
        Family::OpenAi => openai_batch(visit),
        Family::Claude | Family::Gemini => claude_batch(visit),
    }
}

fn openai_batch(visit: &Visit<'_>) -> Result<Answer, Refusal> {
    let text = |name: &str, usual: &str| visit.members[name].as_str().unwrap_or(usual).to_owned();
    let (given, status) = match visit.operation {
        Operation::CreateBatch => {
            for name in ["input_file_id", "endpoint", "completion_window"] {
                super::read::text(visit.members, name)?;
            }
            (id("batch_", visit.seed.number()), "validating")
        }
        Operation::CancelBatch => (visit.id(1).to_owned(), "cancelling"),
        _ => (visit.id(1).to_owned(), "completed"),
    };
    known("batch_", &given, "batch")?;
    let done = status == "completed";
    Ok(Answer::json(&json!({
        "id": given, "object": "batch", "endpoint": text("endpoint", "/v1/chat/completions"), "errors": null,
        "input_file_id": text("input_file_id", &id("file-", 0)), "completion_window": text("completion_window", "24h"),
        "status": status, "output_file_id": done.then(|| id("file-", 100)), "error_file_id": null, "created_at": CREATED,
        "in_progress_at": null, "expires_at": CREATED + 86_400, "finalizing_at": null, "completed_at": done.then_some(CREATED + 60),
        "failed_at": null, "expired_at": null, "cancelling_at": (status == "cancelling").then_some(CREATED + 60), "cancelled_at": null,
        "request_counts": {"total": 1, "completed": u64::from(done), "failed": 0}, "metadata": visit.members["metadata"],
    })))
}

fn claude_batch(visit: &Visit<'_>) -> Result<Answer, Refusal> {
    const PREFIX: &str = "msgbatch_";
    if visit.operation == Operation::CreateBatch {
        let requests = super::read::list(visit.members, "requests")?.len() as u64;
        return Ok(Answer::json(&claude_batch_object(&id(PREFIX, requests), requests, "in_progress")));
    }
    let given = visit.id(2);
    let requests = known(PREFIX, given, "message batch")?;
    Ok(match visit.operation {
        Operation::DeleteBatch => Answer::json(&json!({"id": given, "type": "message_batch_deleted"})),
        Operation::CancelBatch => Answer::json(&claude_batch_object(given, requests, "canceling")),
        Operation::DownloadBatch => {
            let line = |at: u64| {
                let body = json!({"model": "echo", "max_tokens": 16, "messages": [{"role": "user", "content": "kept"}]});
                let message: Value =
                    super::claude::answer(&body).map(|answer| serde_json::from_slice(&answer.whole()).unwrap_or(Value::Null))?;
                Ok(format!(
                    "{}\n",
                    json!({"custom_id": format!("request-{}", at + 1), "result": {"type": "succeeded", "message": message}})
                ))
            };
            let lines = (0..requests.min(100_000)).map(line).collect::<Result<String, Refusal>>()?;
            Answer::bytes("application/x-jsonl", lines)
        }
        _ => Answer::json(&claude_batch_object(given, requests, "ended")),
    })
}

fn claude_batch_object(given: &str, requests: u64, status: &str) -> Value {
    let done = status == "ended";
    let (processing, succeeded) = if done { (0, requests) } else { (requests, 0) };
    json!({
        "id": given, "type": "message_batch", "processing_status": status,
        "request_counts": {"processing": processing, "succeeded": succeeded, "errored": 0, "canceled": 0, "expired": 0},
        "ended_at": done.then_some(CREATED_TEXT), "created_at": CREATED_TEXT, "expires_at": "2026-01-02T00:00:00Z", "archived_at": null,
        "cancel_initiated_at": (status == "canceling").then_some(CREATED_TEXT),
        "results_url": done.then(|| format!("/v1/messages/batches/{given}/results")),
    })
}

/// Answers about videos.
pub(super) fn video(visit: &Visit<'_>) -> Result<Answer, Refusal> {
    let members = visit.members;
    let text = |name: &str, usual: &str| members[name].as_str().unwrap_or(usual).to_owned();
    let whole = |given: &str, status: &str, from: Option<&str>| {
        let done = status == "completed";
        json!({
            "id": given, "object": "video", "model": text("model", "video"), "status": status, "progress": if done { 100 } else { 0 },
            "created_at": CREATED, "completed_at": done.then_some(CREATED + 60), "expires_at": done.then_some(CREATED + 86_400),
            "seconds": text("seconds", "4"), "size": text("size", "720x1280"), "prompt": members["prompt"],
            "remixed_from_video_id": from, "error": null,
        })
    };
    let fresh = || id("video_", visit.seed.number());
    let character = |given: &str| json!({"id": given, "created_at": CREATED, "name": text("name", "character")});
    let (first, second) = (visit.id(1), visit.id(2));
    Ok(Answer::json(&match visit.operation {
        Operation::CreateVideo => {
            super::read::text(members, "prompt")?;
            if let Some(model) = members["model"].as_str() {
                super::models::known(model)?;
            }
            whole(&fresh(), "queued", None)
        }
        Operation::EditVideo | Operation::ExtendVideo => whole(&fresh(), "queued", None),
        Operation::ListVideos => empty_list(),
        Operation::CreateVideoCharacter => character(&id("char_", visit.seed.number())),
        Operation::GetVideoCharacter => {
            known("char_", second, "character")?;
            character(second)
        }
        operation => {
            known("video_", first, "video")?;
            match operation {
                Operation::RemixVideo => whole(&fresh(), "queued", Some(first)),
                Operation::DeleteVideo => json!({"id": first, "object": "video.deleted", "deleted": true}),
                // The smallest thing that says of itself that it is an MP4.
                Operation::DownloadVideo => return Ok(Answer::bytes("video/mp4", &b"\0\0\0\x14ftypisom\0\0\x02\0isom"[..])),
                _ => whole(first, "completed", None),
            }
        }
    }))
}
