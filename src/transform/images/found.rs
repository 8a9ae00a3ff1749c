//! The pictures in a maker's answer, whether it comes whole or event by event.

use crate::protocol::json::{Fields, Node, WrongShape};

/// What was found so far.
#[derive(Debug, Default)]
pub(super) struct Found {
    /// Pictures that are done.
    pub(super) pictures: Vec<Made>,
    /// Pictures on the way, in base64, since they were last taken.
    pub(super) partials: Vec<Made>,
    /// What the model said instead of, or beside, a picture.
    pub(super) words: String,
    /// Why there is no picture, in the maker's word.
    pub(super) stopped: Option<String>,
    pub(super) usage: Option<Usage>,
    /// Whether the maker said that it is done.
    pub(super) ended: bool,
    /// What it said when it gave up.
    pub(super) fault: Option<(Option<String>, String)>,
}

/// One picture.
#[derive(Clone, Debug, Default)]
pub(super) struct Made {
    /// Base64; empty where there is an address only.
    pub(super) data: String,
    pub(super) url: Option<String>,
    /// OpenAI's word for its type.
    pub(super) format: Option<String>,
    pub(super) prompt: Option<String>,
    pub(super) size: Option<String>,
    pub(super) quality: Option<String>,
    pub(super) background: Option<String>,
}

/// What it cost.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Usage {
    pub(super) input: u64,
    /// How much of the input is pictures, where the maker tells.
    pub(super) input_image: Option<u64>,
    pub(super) output: u64,
    pub(super) output_image: Option<u64>,
    pub(super) total: u64,
}

impl Usage {
    /// The sum of two calls.
    pub(super) fn plus(self, other: Self) -> Self {
        let both = |one: Option<u64>, other: Option<u64>| one.zip(other).map(|(one, other)| one + other);
        Self {
            input: self.input + other.input,
            input_image: both(self.input_image, other.input_image),
            output: self.output + other.output,
            output_image: both(self.output_image, other.output_image),
            total: self.total + other.total,
        }
    }
}

impl Found {
    /// Reads one of Gemini's answers, whole or a chunk of a stream.
    pub(super) fn gemini(&mut self, body: Node<'_>) -> Result<(), WrongShape> {
        let mut fields = body.members()?;
        if let Some(error) = fields.object("error")? {
            self.failed(error, "status");
            return Ok(());
        }
        if let Some(reason) = fields.object("promptFeedback")?.and_then(|feedback| feedback.peek_text("blockReason")) {
            self.stopped = Some(reason.into_owned());
            self.ended = true;
        }
        for (at, candidate) in fields.array("candidates")?.unwrap_or_default().into_iter().enumerate() {
            self.candidate(candidate).map_err(|fault| fault.at(at).under("candidates"))?;
        }
        if let Some(mut usage) = fields.object("usageMetadata").ok().flatten() {
            self.usage = Some(gemini_usage(&mut usage));
        }
        Ok(())
    }

    fn candidate(&mut self, candidate: Node<'_>) -> Result<(), WrongShape> {
        let mut fields = candidate.members()?;
        let parts = match fields.object("content")? {
            Some(mut content) => content.array("parts").map_err(|fault| fault.under("content"))?.unwrap_or_default(),
            None => Vec::new(),
        };
        for (at, part) in parts.into_iter().enumerate() {
            self.part(part).map_err(|fault| fault.at(at).under("content.parts"))?;
        }
        if let Some(reason) = fields.text("finishReason")? {
            self.ended = true;
            if !matches!(&*reason, "STOP" | "MAX_TOKENS") {
                self.stopped = Some(reason.into_owned());
            }
        }
        Ok(())
    }

    fn part(&mut self, part: Node<'_>) -> Result<(), WrongShape> {
        let mut fields = part.members()?;
        let thought = fields.bool("thought")?.unwrap_or(false);
        let inline = fields.object("inlineData")?.or(fields.object("inline_data")?);
        if let Some(mut inline) = inline {
            let under = |fault: WrongShape| fault.under("inlineData");
            let mime = inline.text("mimeType").map_err(under)?.or(inline.text("mime_type").map_err(under)?);
            // Sound and the like is no picture.
            if mime.as_deref().is_some_and(|mime| !mime.starts_with("image/")) {
                return Ok(());
            }
            let data = inline.required_text("data").map_err(under)?.into_owned();
            let format = Some(super::format_of(mime.as_deref().unwrap_or(super::sniffed(&data))).to_owned());
            let made = Made { data, format, ..Made::default() };
            // Thinking models draw drafts.
            if thought { self.partials.push(made) } else { self.pictures.push(made) }
        } else if let Some(mut file) = fields.object("fileData")? {
            let url = file.text("fileUri").map_err(|fault| fault.under("fileData"))?.map(String::from);
            self.pictures.push(Made { url, ..Made::default() });
        } else if let (Some(text), false) = (fields.text("text")?, thought) {
            self.words.push_str(&text);
        }
        Ok(())
    }

    /// Reads Imagen's answer.
    pub(super) fn imagen(&mut self, body: Node<'_>) -> Result<(), WrongShape> {
        let mut fields = body.members()?;
        for (at, prediction) in fields.array("predictions")?.unwrap_or_default().into_iter().enumerate() {
            let under = |fault: WrongShape| fault.at(at).under("predictions");
            let mut fields = prediction.members().map_err(under)?;
            let data = fields.text("bytesBase64Encoded").map_err(under)?.map(String::from);
            let url = fields.text("gcsUri").map_err(under)?.map(String::from);
            let prompt = fields.text("prompt").map_err(under)?.map(String::from);
            if let Some(reason) = fields.text("raiFilteredReason").map_err(under)? {
                self.stopped = Some(reason.into_owned());
            }
            if data.is_none() && url.is_none() {
                continue;
            }
            let data = data.unwrap_or_default();
            let mime = fields.text("mimeType").map_err(under)?;
            let format = Some(super::format_of(mime.as_deref().unwrap_or(super::sniffed(&data))).to_owned());
            self.pictures.push(Made { data, url, format, prompt, ..Made::default() });
        }
        self.ended = true;
        Ok(())
    }

    /// Reads a whole answer of Responses.
    pub(super) fn responses(&mut self, body: Node<'_>) -> Result<(), WrongShape> {
        let mut fields = body.members()?;
        for (at, item) in fields.array("output")?.unwrap_or_default().into_iter().enumerate() {
            self.item(item).map_err(|fault| fault.at(at).under("output"))?;
        }
        self.response(fields)
    }

    /// What an answer of Responses says beside its output.
    fn response(&mut self, mut fields: Fields<'_>) -> Result<(), WrongShape> {
        if let Some(error) = fields.object("error")? {
            self.failed(error, "code");
        }
        if let Some(reason) = fields.object("incomplete_details")?.and_then(|details| details.peek_text("reason")) {
            self.stopped = Some(reason.into_owned());
        }
        // What the tool used of its own is the pictures' part; the rest is the talk about them.
        let of_tool = fields.object("tool_usage").ok().flatten().and_then(|mut usage| usage.object("image_gen").ok().flatten());
        let usage = of_tool.or(fields.object("usage").ok().flatten());
        self.usage = usage.map(|mut usage| openai_usage(&mut usage)).or(self.usage);
        self.ended = true;
        Ok(())
    }

    /// Reads an item of Responses' output.
    fn item(&mut self, item: Node<'_>) -> Result<(), WrongShape> {
        let mut fields = item.members()?;
        match fields.peek_text("type").as_deref() {
            Some("image_generation_call") => {
                if let Some(error) = fields.object("error")? {
                    self.stopped = error.peek_text("code").or(error.peek_text("message")).map(String::from);
                }
                let made = made(&mut fields, "result")?;
                if !made.data.is_empty() {
                    self.pictures.push(made);
                }
            }
            Some("message") => {
                for part in fields.array("content")?.unwrap_or_default() {
                    let said = part.object().and_then(|part| part.peek_text("text").or(part.peek_text("refusal")));
                    self.words.push_str(said.as_deref().unwrap_or_default());
                }
            }
            _ => {}
        }
        Ok(())
    }

    /// Reads an event of Responses' stream.
    pub(super) fn responses_event(&mut self, event: Node<'_>) -> Result<(), WrongShape> {
        let mut fields = event.members()?;
        match fields.peek_text("type").as_deref() {
            Some("response.image_generation_call.partial_image") => {
                let made = made(&mut fields, "partial_image_b64")?;
                self.partials.push(made);
            }
            Some("response.output_item.done") => {
                if let Some(item) = fields.some("item") {
                    self.item(item).map_err(|fault| fault.under("item"))?;
                }
            }
            Some("response.completed" | "response.incomplete" | "response.failed") => {
                if let Some(response) = fields.object("response")? {
                    // Its output was told item by item.
                    self.response(response)?;
                }
            }
            Some("error") => match fields.object("error")? {
                Some(error) => self.failed(error, "code"),
                None => self.failed(fields, "code"),
            },
            _ => {}
        }
        Ok(())
    }

    fn failed(&mut self, error: Fields<'_>, code: &str) {
        let message = error.peek_text("message").map_or_else(|| "the provider gave no reason".to_owned(), String::from);
        self.fault = Some((error.peek_text(code).map(String::from), message));
    }
}

fn made(fields: &mut Fields<'_>, data: &str) -> Result<Made, WrongShape> {
    // Some write `false` where a word is expected.
    let mut word = |name: &str| fields.some(name).and_then(Node::text).map(String::from);
    Ok(Made {
        format: word("output_format"),
        prompt: word("revised_prompt"),
        size: word("size"),
        quality: word("quality"),
        background: word("background"),
        data: fields.text(data)?.map(String::from).unwrap_or_default(),
        url: None,
    })
}

fn gemini_usage(usage: &mut Fields<'_>) -> Usage {
    let number = |name: &str| usage.peek(name).and_then(Node::unsigned);
    let pictures = |name: &str| {
        let details = usage.peek(name)?.array()?;
        let of_pictures =
            details.into_iter().filter_map(Node::object).filter(|detail| detail.peek_text("modality").as_deref() == Some("IMAGE"));
        Some(of_pictures.filter_map(|detail| detail.peek("tokenCount")?.unsigned()).sum())
    };
    let input = number("promptTokenCount").unwrap_or(0);
    let output = number("candidatesTokenCount").unwrap_or(0) + number("thoughtsTokenCount").unwrap_or(0);
    Usage {
        input,
        input_image: pictures("promptTokensDetails"),
        output,
        output_image: pictures("candidatesTokensDetails"),
        total: number("totalTokenCount").unwrap_or(input + output),
    }
}

fn openai_usage(usage: &mut Fields<'_>) -> Usage {
    let number = |name: &str| usage.peek(name).and_then(Node::unsigned);
    let pictures = |name: &str| usage.peek(name)?.object()?.peek("image_tokens")?.unsigned();
    let (input, output) = (number("input_tokens").unwrap_or(0), number("output_tokens").unwrap_or(0));
    Usage {
        input,
        input_image: pictures("input_tokens_details"),
        output,
        output_image: pictures("output_tokens_details"),
        total: number("total_tokens").unwrap_or(input + output),
    }
}
