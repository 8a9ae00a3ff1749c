//! Laws and tables of the meter.

mod buckets;
mod shallow;
mod stream;

use bytes::Bytes;

use super::{Meter, Metered, Shape};
use crate::{
    base::{Bucket, Modality, Usage},
    protocol::{Operation, OperationKey, OperationKind},
};

fn key(operation: Operation, kind: OperationKind) -> OperationKey {
    OperationKey::new(operation, kind).unwrap()
}

fn streamed(kind: OperationKind) -> OperationKey {
    key(Operation::StreamGenerateContent, kind)
}

/// Sends chunks through a meter; gives what passed and what was metered.
fn pass<'a>(mut meter: Meter, chunks: impl IntoIterator<Item = &'a [u8]>) -> (Vec<u8>, Metered) {
    let mut passed = Vec::new();
    for chunk in chunks {
        meter.push(Bytes::copy_from_slice(chunk)).into_pieces().for_each(|piece| passed.extend_from_slice(&piece));
    }
    meter.end().into_pieces().for_each(|piece| passed.extend_from_slice(&piece));
    (passed, meter.finish())
}

fn whole(key: OperationKey, body: &str) -> Metered {
    pass(Meter::new(key, Shape::Whole), [body.as_bytes()]).1
}

/// What is not zero, as `bucket.modality=tokens`, then the counts.
fn show(usage: Option<&Usage>) -> String {
    let Some(usage) = usage else { return String::from("none") };
    let mut parts = Vec::new();
    let name = |value: serde_json::Value| value.as_str().unwrap().to_owned();
    for bucket in Bucket::ALL {
        for modality in Modality::ALL {
            let tokens = usage.get(bucket, modality);
            if tokens > 0 {
                let (bucket, modality) = (serde_json::to_value(bucket).unwrap(), serde_json::to_value(modality).unwrap());
                parts.push(match name(modality).as_str() {
                    "text" => format!("{}={tokens}", name(bucket)),
                    modality => format!("{}.{modality}={tokens}", name(bucket)),
                });
            }
        }
    }
    for (name, count) in [("images", usage.counts.images), ("millis", usage.counts.millis), ("searches", usage.counts.searches)] {
        if count > 0 {
            parts.push(format!("{name}={count}"));
        }
    }
    parts.join(" ")
}
