//! Weights in several files, which large checkpoints are saved in: `model.safetensors.index.json` names them. They are read
//! as if they were one: a header of all tensors, then the values of one file after the other.
//!
//! Format: <https://huggingface.co/docs/safetensors/metadata_parsing>, "sharded weights".

use std::collections::BTreeSet;

use serde::Deserialize;
use serde_json::{Map, Value};

use super::{CheckpointError, Header};

/// The names of the files that an index names, in order.
///
/// # Errors
/// [`CheckpointError::BadIndex`] if it is no index, or names something else than files beside it.
pub fn shard_names(index: &[u8]) -> Result<Vec<String>, CheckpointError> {
    #[derive(Deserialize)]
    struct Index {
        weight_map: std::collections::BTreeMap<String, String>,
    }
    let bad = |reason: String| CheckpointError::BadIndex { reason };
    let Index { weight_map } = serde_json::from_slice(index).map_err(|error| bad(error.to_string()))?;
    let names: BTreeSet<String> = weight_map.into_values().collect();
    let odd =
        |name: &&String| !name.ends_with(".safetensors") || name.contains(['/', '\\', '?', '#', '%', ':']);
    if let Some(name) = names.iter().find(odd) {
        return Err(bad(format!("{name:?} is no name of a safetensors file beside it")));
    }
    if names.is_empty() {
        return Err(bad("it names no file".to_owned()));
    }
    Ok(names.into_iter().collect())
}

/// The beginning of the one file that several are read as, from the beginning of each, up to its values.
///
/// # Errors
/// As [`Header::parse`]; [`CheckpointError::CorruptHeader`] if two files hold the same tensor.
pub fn merged_beginning(beginnings: &[Vec<u8>]) -> Result<Vec<u8>, CheckpointError> {
    let corrupt = |reason: String| CheckpointError::CorruptHeader { reason };
    let mut merged = Map::new();
    let mut before = 0;
    for beginning in beginnings {
        let header = Header::parse(beginning)?;
        let json = beginning.get(Header::LENGTH_BYTES..).unwrap_or_default();
        let tensors: Map<String, Value> =
            serde_json::from_slice(json).map_err(|error| corrupt(error.to_string()))?;
        for (name, mut tensor) in tensors {
            if name == "__metadata__" {
                continue;
            }
            for offset in tensor.get_mut("data_offsets").and_then(Value::as_array_mut).into_iter().flatten() {
                *offset = Value::from(offset.as_u64().unwrap_or_default() + before);
            }
            if merged.insert(name.clone(), tensor).is_some() {
                return Err(corrupt(format!("\"{name}\" is in two files")));
            }
        }
        before += header.file_length() - header.length() as u64;
    }
    let json = Value::Object(merged).to_string();
    let mut bytes = (json.len() as u64).to_le_bytes().to_vec();
    bytes.extend(json.as_bytes());
    Ok(bytes)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test stops where something is amiss")]
mod tests {
    use super::*;

    /// The beginning of a file that holds vectors of these names and lengths.
    fn beginning(tensors: &[(&str, usize)]) -> Vec<u8> {
        let mut begin = 0;
        let mut entries = vec![r#""__metadata__":{"format":"pt"}"#.to_owned()];
        for (name, length) in tensors {
            let end = begin + 4 * length;
            entries.push(format!(
                r#""{name}":{{"dtype":"F32","shape":[{length}],"data_offsets":[{begin},{end}]}}"#
            ));
            begin = end;
        }
        let json = format!("{{{}}}  ", entries.join(","));
        [&(json.len() as u64).to_le_bytes(), json.as_bytes()].concat()
    }

    #[test]
    fn several_files_are_read_as_one() {
        let files = [beginning(&[("b", 3), ("a", 2)]), beginning(&[("c", 5)]), beginning(&[("d", 1)])];
        let merged = merged_beginning(&files).unwrap();
        let header = Header::parse(&merged).unwrap();
        assert_eq!(header.length(), merged.len());
        let ends: Vec<_> = header.ends().collect();
        assert_eq!(ends, [("b", 12), ("a", 20), ("c", 40), ("d", 44)]);
        assert_eq!(header.file_length(), merged.len() as u64 + 44);
    }

    #[test]
    fn a_tensor_in_two_files_is_refused() {
        let files = [beginning(&[("a", 3)]), beginning(&[("a", 3)])];
        assert!(matches!(merged_beginning(&files), Err(CheckpointError::CorruptHeader { .. })));
        let cut = [beginning(&[("a", 3)]), beginning(&[("b", 3)])[..20].to_vec()];
        assert!(matches!(merged_beginning(&cut), Err(CheckpointError::Truncated { .. })));
    }

    #[test]
    fn an_index_names_files_beside_it() {
        let index = br#"{"metadata": {"total_size": 8}, "weight_map": {"b": "model-2.safetensors", "a": "model-1.safetensors",
            "c": "model-1.safetensors"}}"#;
        assert_eq!(shard_names(index).unwrap(), ["model-1.safetensors", "model-2.safetensors"]);
        for bad in [
            "",
            "[]",
            "{}",
            r#"{"weight_map": {}}"#,
            r#"{"weight_map": {"a": 1}}"#,
            r#"{"weight_map": {"a": "../model.safetensors"}}"#,
            r#"{"weight_map": {"a": "https://elsewhere/model.safetensors"}}"#,
            r#"{"weight_map": {"a": "model.bin"}}"#,
        ] {
            assert!(matches!(shard_names(bad.as_bytes()), Err(CheckpointError::BadIndex { .. })), "{bad}");
        }
    }
}
