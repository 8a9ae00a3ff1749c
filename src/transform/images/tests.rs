//! Requests to each maker, their answers and streams back.

use serde_json::{Value, json};

use super::{Collect, Form, Maker, Request, Stream, Unanswered, Upload, answer};
use crate::{
    protocol::json::Node,
    transform::{Loss, Refused},
};

const GEMINI: Maker<'static> = Maker::Gemini { model: "gemini-3-pro-image" };
const RESPONSES: Maker<'static> = Maker::Responses { host: "gpt-5.4", model: "gpt-image-2" };
const PNG: &str = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==";

fn fixture(name: &str) -> String {
    std::fs::read_to_string(format!("{}/tests/fixtures/images/{name}", env!("CARGO_MANIFEST_DIR"))).unwrap()
}

fn node(body: &str) -> Node<'_> {
    Node::parse(body.as_bytes()).unwrap()
}

fn sent(request: &Request<'_>, maker: Maker<'_>) -> Result<(Value, Vec<String>), Refused> {
    let mut losses = Vec::new();
    let body = request.written(maker, &mut losses)?;
    Ok((serde_json::from_slice(&body).unwrap(), losses.into_iter().map(|loss: Loss| loss.path).collect()))
}

fn told() -> super::Told {
    Request::create(node(r#"{"prompt": "A fox.", "size": "1536x1024"}"#)).unwrap().told(9)
}

fn got(name: &str, maker: Maker<'_>) -> Value {
    serde_json::from_slice(&answer(&[fixture(name).as_bytes()], maker, &told()).unwrap()).unwrap()
}

fn events(bytes: &[u8]) -> Vec<(String, Value)> {
    let text = std::str::from_utf8(bytes).unwrap();
    let frames = text.split("\n\n").filter(|frame| !frame.is_empty());
    frames
        .map(|frame| {
            let (name, data) = frame.strip_prefix("event: ").unwrap().split_once("\ndata: ").unwrap();
            (name.to_owned(), serde_json::from_str(data).unwrap())
        })
        .collect()
}

#[test]
fn a_wish_goes_to_gemini_with_what_it_cannot_be_told_as_losses() {
    let body = fixture("create.json");
    let (written, losses) = sent(&Request::create(node(&body)).unwrap(), GEMINI).unwrap();
    assert_eq!(
        written,
        json!({"contents": [{"role": "user", "parts": [{"text": "A fox."}]}],
            "generationConfig": {"responseModalities": ["TEXT", "IMAGE"], "imageConfig": {"aspectRatio": "3:2"}}})
    );
    assert_eq!(
        losses,
        ["x_new", "size", "output_format", "n", "quality", "background", "output_compression", "partial_images", "moderation", "user"]
    );
    let large =
        Request::create(node(r#"{"prompt": "p", "size": "2048x2048", "quality": "auto", "background": "opaque", "moderation": "auto"}"#))
            .unwrap();
    let (written, losses) = sent(&large, GEMINI).unwrap();
    assert_eq!(written["generationConfig"]["imageConfig"], json!({"aspectRatio": "1:1", "imageSize": "2K"}));
    assert_eq!(losses, ["size"]);
    let (written, _) = sent(&large, Maker::Gemini { model: "gemini-2.5-flash-image" }).unwrap();
    assert_eq!(written["generationConfig"]["imageConfig"], json!({"aspectRatio": "1:1"}));
}

#[test]
fn a_wish_goes_to_imagen_and_to_the_tool() {
    let body = fixture("create.json");
    let mut request = Request::create(node(&body)).unwrap();
    let (written, losses) = sent(&request, Maker::Imagen).unwrap();
    assert_eq!(
        written,
        json!({"instances": [{"prompt": "A fox."}],
            "parameters": {"sampleCount": 2, "aspectRatio": "4:3", "outputOptions": {"mimeType": "image/png"}, "includeRaiReason": true}})
    );
    assert_eq!(
        losses,
        ["x_new", "size", "output_format", "output_compression", "quality", "background", "partial_images", "moderation", "user"]
    );
    assert_eq!((request.calls(Maker::Imagen), request.calls(GEMINI)), (1, 2));
    request.n = 1;
    let (written, losses) = sent(&request, RESPONSES).unwrap();
    assert_eq!(
        written,
        json!({"model": "gpt-5.4", "store": false, "stream": true, "safety_identifier": "user-7", "tool_choice": {"type": "image_generation"},
            "input": [{"type": "message", "role": "user", "content": [{"type": "input_text", "text": "A fox."}]}],
            "tools": [{"type": "image_generation", "model": "gpt-image-2", "size": "1536x1024", "quality": "high", "background": "transparent",
                "output_format": "webp", "output_compression": 80, "moderation": "low", "partial_images": 2}]})
    );
    assert_eq!(losses, ["x_new"]);
}

#[test]
fn an_edit_carries_its_pictures_and_its_mask() {
    let body = fixture("edit.json");
    let request = Request::edit(node(&body)).unwrap();
    let (written, losses) = sent(&request, GEMINI).unwrap();
    let parts = &written["contents"][0]["parts"];
    assert_eq!(parts[0], json!({"inlineData": {"mimeType": "image/png", "data": PNG}}));
    assert_eq!((&parts[1], &parts[3]["text"]), (&parts[0], &json!("Make it blue.")));
    assert!(parts[2]["text"].as_str().unwrap().contains("mask"));
    assert_eq!(losses, ["mask", "input_fidelity"]);
    let (written, losses) = sent(&request, RESPONSES).unwrap();
    assert_eq!(written["input"][0]["content"][1]["image_url"], format!("data:image/png;base64,{PNG}"));
    assert_eq!(written["tools"][0]["action"], "edit");
    assert_eq!(written["tools"][0]["input_image_mask"]["image_url"], format!("data:image/png;base64,{PNG}"));
    assert!(losses.is_empty());
    assert_eq!(sent(&request, Maker::Imagen).unwrap_err().path(), "mask");
    let plain = Request::edit(node(r#"{"prompt": "p", "image": "data:;base64,/9j/AA"}"#)).unwrap();
    let (written, _) = sent(&plain, Maker::Imagen).unwrap();
    assert_eq!(
        written["instances"][0]["referenceImages"][0],
        json!({"referenceType": "REFERENCE_TYPE_RAW", "referenceId": 1, "referenceImage": {"bytesBase64Encoded": "/9j/AA", "mimeType": "image/jpeg"}})
    );
    assert_eq!(written["parameters"]["editMode"], "EDIT_MODE_DEFAULT");
}

#[test]
fn a_form_says_the_same_as_json() {
    let picture = Upload { mime: "application/octet-stream", bytes: b"\x89PNG\r\n" };
    let form = Form {
        texts: vec![("model", "m"), ("prompt", "p"), ("n", "2"), ("size", "auto"), ("stream", "true"), ("odd", "1")],
        images: vec![picture],
        mask: None,
    };
    let request = Request::edit_form(form).unwrap();
    assert_eq!((request.n, request.streams), (2, true));
    let (written, losses) = sent(&request, GEMINI).unwrap();
    assert_eq!(written["contents"][0]["parts"][0]["inlineData"], json!({"mimeType": "image/png", "data": "iVBORw0K"}));
    assert_eq!(losses, ["odd", "n"]);
    let fault = Request::edit_form(Form { texts: vec![("prompt", "p"), ("n", "two")], images: vec![picture], mask: None }).unwrap_err();
    assert_eq!(fault.to_string(), r#""n" is "two"; expected a whole number, not negative"#);
}

#[test]
fn what_is_wrong_is_named_by_its_place() {
    let edit = |body: &str| Request::edit(node(body)).unwrap_err().to_string();
    assert_eq!(Request::create(node("{}")).unwrap_err().to_string(), r#""prompt" is missing; expected a string"#);
    assert_eq!(Request::create(node(r#"{"prompt": "p", "n": 11}"#)).unwrap_err().to_string(), r#""n" is 11; expected 1 to 10"#);
    assert_eq!(edit(r#"{"prompt": "p"}"#), r#""images" is missing; expected an array of pictures"#);
    assert!(
        edit(r#"{"prompt": "p", "images": [{"image_url": "https://example.com/a.png"}]}"#)
            .starts_with(r#""images[0].image_url" cannot be served"#)
    );
    assert!(edit(r#"{"prompt": "p", "images": [{"file_id": "file-1"}]}"#).starts_with(r#""images[0].file_id" cannot be served"#));
    assert_eq!(edit(r#"{"prompt": "p", "images": [{}]}"#), r#""images[0].image_url" is missing; expected a string"#);
    let odd = Request::create(node(r#"{"prompt": "p", "size": "big"}"#)).unwrap();
    for maker in [GEMINI, Maker::Imagen, RESPONSES] {
        assert_eq!(sent(&odd, maker).unwrap_err().path(), "size");
    }
}

#[test]
fn answers_come_back_in_openais_shape() {
    let usage = json!({"input_tokens": 5, "input_tokens_details": {"image_tokens": 0, "text_tokens": 5}, "output_tokens": 1150,
        "output_tokens_details": {"image_tokens": 1120, "text_tokens": 30}, "total_tokens": 1155});
    assert_eq!(
        got("gemini_answer.json", GEMINI),
        json!({"created": 9, "data": [{"b64_json": "/9j/Zm94"}], "output_format": "jpeg", "usage": usage})
    );
    assert_eq!(
        got("imagen_answer.json", Maker::Imagen),
        json!({"created": 9, "data": [{"b64_json": "Zm94MQ==", "revised_prompt": "A red fox."}, {"b64_json": "Zm94Mg=="}], "output_format": "png"})
    );
    assert_eq!(
        got("responses_answer.json", RESPONSES),
        json!({"created": 9, "data": [{"b64_json": "Zm94", "revised_prompt": "A red fox."}], "background": "opaque", "output_format": "png",
            "size": "1536x1024", "quality": "high", "usage": {"input_tokens": 20, "input_tokens_details": {"image_tokens": 0, "text_tokens": 20},
            "output_tokens": 1500, "output_tokens_details": {"image_tokens": 1500, "text_tokens": 0}, "total_tokens": 1520}})
    );
}

#[test]
fn the_answers_of_several_calls_are_one() {
    let body = fixture("gemini_answer.json");
    let both: Value = serde_json::from_slice(&answer(&[body.as_bytes(), body.as_bytes()], GEMINI, &told()).unwrap()).unwrap();
    assert_eq!(both["data"].as_array().unwrap().len(), 2);
    assert_eq!((&both["usage"]["total_tokens"], &both["usage"]["input_tokens_details"]["text_tokens"]), (&json!(2310), &json!(10)));
}

#[test]
fn no_picture_is_a_refusal_with_its_reason() {
    for (body, maker, words) in [
        (r#"{"promptFeedback": {"blockReason": "SAFETY"}}"#, GEMINI, "no picture was made: SAFETY"),
        (
            r#"{"candidates": [{"content": {"parts": [{"text": "I cannot."}]}, "finishReason": "STOP"}]}"#,
            GEMINI,
            "no picture was made; the model said: I cannot.",
        ),
        (r#"{"predictions": [{"raiFilteredReason": "code 42"}]}"#, Maker::Imagen, "no picture was made: code 42"),
        ("{}", Maker::Imagen, "no picture was made"),
        (
            r#"{"output": [{"type": "image_generation_call", "status": "failed", "error": {"code": "moderation_blocked"}}]}"#,
            RESPONSES,
            "no picture was made: moderation_blocked",
        ),
        (r#"{"error": {"code": "server_error", "message": "Broken."}, "output": []}"#, RESPONSES, "Broken."),
    ] {
        assert_eq!(answer(&[body.as_bytes()], maker, &told()).unwrap_err().to_string(), words);
    }
    assert!(matches!(answer(&[b"[]"], GEMINI, &told()), Err(Unanswered::Shape(_))));
}

#[test]
fn streams_become_image_events_in_any_chunks_and_say_what_the_answer_says() {
    for (name, maker, whole) in
        [("gemini_stream.sse", GEMINI, "gemini_answer.json"), ("responses_stream.sse", RESPONSES, "responses_answer.json")]
    {
        let text = fixture(name);
        let mut before: Option<Vec<u8>> = None;
        for size in [1, 7, usize::MAX] {
            let mut stream = Stream::new(maker, told());
            let mut out = Vec::new();
            for chunk in text.as_bytes().chunks(size) {
                out.extend(stream.push(chunk).unwrap());
            }
            out.extend(stream.finish());
            if let Some(before) = &before {
                assert_eq!(*before, out, "{name} in chunks of {size}");
            }
            before = Some(out);
        }
        let events = events(&before.unwrap());
        let names: Vec<&str> = events.iter().map(|(name, _)| &**name).collect();
        assert_eq!(names, ["image_generation.partial_image", "image_generation.completed"]);
        assert_eq!((&events[0].1["b64_json"], &events[0].1["partial_image_index"]), (&json!("ZHJhZnQ="), &json!(0)));
        let answer = got(whole, maker);
        let done = &events[1].1;
        let mut figures = answer["usage"].clone();
        figures.as_object_mut().unwrap().remove("output_tokens_details");
        assert_eq!((&done["b64_json"], &done["usage"]), (&answer["data"][0]["b64_json"], &figures));
        assert_eq!(
            (&done["size"], &done["created_at"], &done["type"]),
            (&json!("1536x1024"), &json!(9), &json!("image_generation.completed"))
        );
        for member in ["background", "quality", "output_format"] {
            assert!(done[member].is_string(), "{member}");
        }
        let mut collect = Collect::new(maker, told());
        collect.push(text.as_bytes()).unwrap();
        assert_eq!(serde_json::from_slice::<Value>(&collect.finish().unwrap()).unwrap(), answer, "{name} gathered");
        let synthetic = super::tests::events(&Stream::whole(fixture(whole).as_bytes(), maker, told()));
        assert_eq!(synthetic.last().unwrap().1, *done);
    }
}

#[test]
fn a_stream_that_breaks_off_ends_with_an_error_and_no_picture() {
    for (text, maker, code) in [
        (
            fixture("gemini_stream.sse")
                .split("data: {\"candidates\":[{\"content\":{\"role\":\"model\",\"parts\":[{\"text\":\"\"")
                .next()
                .unwrap()
                .to_owned(),
            GEMINI,
            "upstream_error",
        ),
        ("data: {\"error\": {\"code\": 503, \"status\": \"UNAVAILABLE\", \"message\": \"Busy.\"}}\n\n".to_owned(), GEMINI, "UNAVAILABLE"),
        ("data: {\"candidates\": [{\"finishReason\": \"IMAGE_SAFETY\"}]}\n\n".to_owned(), GEMINI, "moderation_blocked"),
        (
            "event: error\ndata: {\"type\": \"error\", \"code\": \"rate_limit_exceeded\", \"message\": \"Slow.\"}\n\n".to_owned(),
            RESPONSES,
            "rate_limit_exceeded",
        ),
        (String::new(), RESPONSES, "upstream_error"),
    ] {
        let mut stream = Stream::new(maker, told());
        let mut out = stream.push(text.as_bytes()).unwrap();
        out.extend(stream.finish());
        let events = events(&out);
        let (name, last) = events.last().unwrap();
        assert_eq!((&**name, &last["error"]["code"]), ("error", &json!(code)));
        assert!(!events.iter().any(|(name, _)| name.ends_with("completed")));
        let mut collect = Collect::new(maker, told());
        collect.push(text.as_bytes()).unwrap();
        assert!(collect.finish().is_err());
    }
}

#[test]
fn an_edit_has_events_of_its_own() {
    let body = fixture("edit.json");
    let told = Request::edit(node(&body)).unwrap().told(9);
    let out = Stream::whole(fixture("imagen_answer.json").as_bytes(), Maker::Imagen, told);
    let events = events(&out);
    let names: Vec<&str> = events.iter().map(|(name, _)| &**name).collect();
    assert_eq!(names, ["image_edit.completed", "image_edit.completed"]);
}
