//! The encoding of bellis/1: `[kind, fields]` in msgpack, read as strictly as MESSAGES.md says.

use rmpv::Value;

use crate::error::{Error, Result};

/// The largest message that a peer may send, in bytes.
pub(crate) const MESSAGE_BYTES_MAX: usize = 1 << 20;
const LEVELS_MAX: usize = 16;
/// rmpv counts more than one level for each of ours.
const RMPV_LEVELS_MAX: usize = 64;

/// The bytes of a message.
pub(crate) fn pack(kind: &str, fields: Vec<(&str, Value)>) -> Vec<u8> {
    let pairs = fields
        .into_iter()
        .map(|(key, value)| (Value::from(key), value))
        .collect();
    let message = Value::Array(vec![Value::from(kind), Value::Map(pairs)]);
    let mut bytes = Vec::with_capacity(256);
    rmpv::encode::write_value(&mut bytes, &message).expect("a Vec takes all bytes");
    bytes
}

/// A map of str to anything.
pub(crate) type Pairs = Vec<(Value, Value)>;

/// The kind and the fields of a message. Errors: BadMessage.
pub(crate) fn unpack(bytes: &[u8]) -> Result<(String, Pairs)> {
    let mut rest = bytes;
    let value = rmpv::decode::read_value_with_max_depth(&mut rest, RMPV_LEVELS_MAX)
        .map_err(|error| bad(format!("the message is not msgpack: {}", error)))?;
    if !rest.is_empty() {
        return Err(bad(format!(
            "{} bytes follow the message; none is accepted",
            rest.len()
        )));
    }
    if levels(&value) > LEVELS_MAX {
        return Err(bad(format!(
            "the message nests deeper than {} levels",
            LEVELS_MAX
        )));
    }
    let mut parts = match value {
        Value::Array(parts) if parts.len() == 2 => parts,
        other => {
            return Err(bad(format!(
                "the message is {}; [kind, fields] is expected",
                shown(&other)
            )))
        }
    };
    let fields = parts.pop();
    let kind = parts.pop();
    match (kind.as_ref().and_then(Value::as_str), fields) {
        (Some(kind), Some(Value::Map(pairs))) => Ok((kind.to_string(), pairs)),
        (Some(kind), Some(other)) => Err(bad(format!(
            "{} has {} for fields; a map is expected",
            kind,
            shown(&other)
        ))),
        _ => Err(bad(
            "the kind of the message is no str; one of the kinds of MESSAGES.md is expected".into(),
        )),
    }
}

fn levels(value: &Value) -> usize {
    match value {
        Value::Array(items) => 1 + items.iter().map(levels).max().unwrap_or(0),
        Value::Map(pairs) => {
            1 + pairs
                .iter()
                .map(|(k, v)| levels(k).max(levels(v)))
                .max()
                .unwrap_or(0)
        }
        _ => 0,
    }
}

fn bad(text: String) -> Error {
    Error::BadMessage(text)
}

fn shown(value: &Value) -> String {
    let text = match value {
        Value::Nil => return "nil".into(),
        Value::Array(items) => return format!("an array of {}", items.len()),
        Value::Map(_) => return "a map".into(),
        Value::Binary(_) => return "bin".into(),
        Value::Ext(..) => return "an extension type".into(),
        Value::String(text) if text.as_str().is_none() => return "a str that is no UTF-8".into(),
        other => other.to_string(),
    };
    text.chars().take(60).collect()
}

/// A map whose keys are known, and its name for errors, such as `work.blocks[0]`.
pub(crate) struct Fields<'a> {
    path: String,
    pairs: &'a [(Value, Value)],
}

const UINT: &str = "an integer from 0 to 2^63-1";

impl<'a> Fields<'a> {
    /// Errors: a key that is no str.
    pub(crate) fn new(path: &str, pairs: &'a [(Value, Value)]) -> Result<Fields<'a>> {
        match pairs.iter().find(|(key, _)| key.as_str().is_none()) {
            Some((key, _)) => Err(bad(format!(
                "{} has the key {}; a str is expected",
                path,
                shown(key)
            ))),
            None => Ok(Fields {
                path: path.to_string(),
                pairs,
            }),
        }
    }

    fn find(&self, key: &str) -> Result<Option<&'a Value>> {
        let mut found = None;
        for (name, value) in self.pairs {
            if name.as_str() == Some(key) && found.replace(value).is_some() {
                return Err(bad(format!(
                    "{}.{} stands twice in its map",
                    self.path, key
                )));
            }
        }
        Ok(found)
    }

    fn wrong(&self, key: &str, value: &Value, accepted: &str) -> Error {
        bad(format!(
            "{}.{} is {}; {} is expected",
            self.path,
            key,
            shown(value),
            accepted
        ))
    }

    fn missing(&self, key: &str) -> Error {
        bad(format!("{}.{} is missing", self.path, key))
    }

    fn read<T>(
        &self,
        key: &str,
        accepted: &str,
        read: impl Fn(&'a Value) -> Option<T>,
    ) -> Result<Option<T>> {
        match self.find(key)? {
            None => Ok(None),
            Some(value) => read(value)
                .map(Some)
                .ok_or_else(|| self.wrong(key, value, accepted)),
        }
    }

    pub(crate) fn uint(&self, key: &str) -> Result<u64> {
        self.read(key, UINT, uint_of)?
            .ok_or_else(|| self.missing(key))
    }

    pub(crate) fn uint_or(&self, key: &str, default: u64) -> Result<u64> {
        Ok(self.read(key, UINT, uint_of)?.unwrap_or(default))
    }

    pub(crate) fn uint32_or(&self, key: &str, default: u32) -> Result<u32> {
        Ok(self.uint32(key)?.unwrap_or(default))
    }

    /// None: it is not there.
    pub(crate) fn uint32(&self, key: &str) -> Result<Option<u32>> {
        let read = |value| uint_of(value).and_then(|n| u32::try_from(n).ok());
        self.read(key, "an integer from 0 to 2^32-1", read)
    }

    pub(crate) fn int(&self, key: &str) -> Result<i64> {
        self.read(key, "an integer from -2^63 to 2^63-1", Value::as_i64)?
            .ok_or_else(|| self.missing(key))
    }

    pub(crate) fn int_or(&self, key: &str, default: i64) -> Result<i64> {
        Ok(self
            .read(key, "an integer from -2^63 to 2^63-1", Value::as_i64)?
            .unwrap_or(default))
    }

    pub(crate) fn float_or(&self, key: &str, default: f64) -> Result<f64> {
        let read = |value: &Value| value.as_f64().filter(|number| number.is_finite());
        Ok(self.read(key, "a finite number", read)?.unwrap_or(default))
    }

    pub(crate) fn bool_or(&self, key: &str, default: bool) -> Result<bool> {
        Ok(self
            .read(key, "true or false", Value::as_bool)?
            .unwrap_or(default))
    }

    pub(crate) fn str(&self, key: &str) -> Result<String> {
        let read = |value: &'a Value| value.as_str().map(str::to_string);
        self.read(key, "a str of UTF-8", read)?
            .ok_or_else(|| self.missing(key))
    }

    pub(crate) fn str_or(&self, key: &str, default: &str) -> Result<String> {
        let read = |value: &'a Value| value.as_str().map(str::to_string);
        Ok(self
            .read(key, "a str of UTF-8", read)?
            .unwrap_or_else(|| default.to_string()))
    }

    pub(crate) fn map(&self, key: &str) -> Result<Fields<'a>> {
        let pairs = self
            .read(key, "a map", |v| v.as_map())?
            .ok_or_else(|| self.missing(key))?;
        Fields::new(&format!("{}.{}", self.path, key), pairs)
    }

    fn array(&self, key: &str) -> Result<Option<&'a [Value]>> {
        self.read(key, "an array", |value| value.as_array().map(Vec::as_slice))
    }

    /// Each map of an array; an array that is not there is empty.
    pub(crate) fn maps<T>(
        &self,
        key: &str,
        read: impl Fn(&Fields<'a>) -> Result<T>,
    ) -> Result<Vec<T>> {
        self.array(key)?
            .map_or(Ok(Vec::new()), |items| self.each_map(key, items, read))
    }

    /// Each map of an array that must be there.
    pub(crate) fn required_maps<T>(
        &self,
        key: &str,
        read: impl Fn(&Fields<'a>) -> Result<T>,
    ) -> Result<Vec<T>> {
        self.each_map(
            key,
            self.array(key)?.ok_or_else(|| self.missing(key))?,
            read,
        )
    }

    fn each_map<T>(
        &self,
        key: &str,
        items: &'a [Value],
        read: impl Fn(&Fields<'a>) -> Result<T>,
    ) -> Result<Vec<T>> {
        let one = |(i, item): (usize, &'a Value)| match item.as_map() {
            Some(pairs) => read(&Fields::new(
                &format!("{}.{}[{}]", self.path, key, i),
                pairs,
            )?),
            None => Err(self.wrong(&format!("{}[{}]", key, i), item, "a map")),
        };
        items.iter().enumerate().map(one).collect()
    }

    fn elements<T>(
        &self,
        key: &str,
        accepted: &str,
        read: fn(&Value) -> Option<T>,
    ) -> Result<Vec<T>> {
        let one = |(i, item): (usize, &Value)| {
            read(item).ok_or_else(|| self.wrong(&format!("{}[{}]", key, i), item, accepted))
        };
        self.array(key)?
            .unwrap_or(&[])
            .iter()
            .enumerate()
            .map(one)
            .collect()
    }

    pub(crate) fn uints(&self, key: &str) -> Result<Vec<u64>> {
        self.elements(key, UINT, uint_of)
    }

    pub(crate) fn strs(&self, key: &str) -> Result<Vec<String>> {
        self.elements(key, "a str of UTF-8", |value| {
            value.as_str().map(str::to_string)
        })
    }

    /// A ROI: its offset and its shape.
    pub(crate) fn roi(&self, key: &str) -> Result<(Vec<i64>, Vec<i64>)> {
        const ACCEPTED: &str =
            "[offset, shape], both of the same 1 to 8 integers, no shape below 0,";
        self.read(key, ACCEPTED, roi_of)?
            .ok_or_else(|| self.missing(key))
    }
}

fn uint_of(value: &Value) -> Option<u64> {
    value.as_i64().and_then(|number| u64::try_from(number).ok())
}

fn roi_of(value: &Value) -> Option<(Vec<i64>, Vec<i64>)> {
    let ints = |value: &Value| {
        value
            .as_array()?
            .iter()
            .map(Value::as_i64)
            .collect::<Option<Vec<i64>>>()
    };
    match value.as_array()?.as_slice() {
        [offset, shape] => {
            let (offset, shape) = (ints(offset)?, ints(shape)?);
            let fits = (1..=8).contains(&shape.len()) && offset.len() == shape.len();
            (fits && shape.iter().all(|&n| n >= 0)).then_some((offset, shape))
        }
        _ => None,
    }
}

/// A JSON value as msgpack.
pub(crate) fn from_json(json: &serde_json::Value) -> Value {
    use serde_json::Value as Json;
    match json {
        Json::Null => Value::Nil,
        Json::Bool(flag) => Value::Boolean(*flag),
        Json::Number(number) => match (number.as_i64(), number.as_u64()) {
            (Some(int), _) => Value::from(int),
            (None, Some(uint)) => Value::from(uint),
            (None, None) => Value::from(number.as_f64().unwrap_or(f64::NAN)),
        },
        Json::String(text) => Value::from(text.as_str()),
        Json::Array(items) => Value::Array(items.iter().map(from_json).collect()),
        Json::Object(map) => Value::Map(
            map.iter()
                .map(|(key, value)| (Value::from(key.as_str()), from_json(value)))
                .collect(),
        ),
    }
}
