//! Objects of JSON (RFC 8259) as typed values; where one can't be read, the field that is to blame.

use std::borrow::Cow;

use serde::{
    Deserializer,
    de::{
        DeserializeOwned, Error as _, IntoDeserializer, Visitor,
        value::{MapDeserializer, SeqDeserializer},
    },
    forward_to_deserialize_any,
};
use serde_json::{Error, Map, Value};

/// Why an object can't be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Misread {
    /// The way to the field that is to blame, such as `targets.ids[2]`; `None`: it is the whole.
    pub field: Option<String>,
    /// What is wrong, to be read after the field.
    pub problem: String,
}

impl Misread {
    /// What serde said of the value at a path. Where a field is missing or unknown, serde names it in its text only.
    pub fn new(path: &str, problem: &str) -> Self {
        // Where it stopped reading is of no use to whoever made the body with a program.
        let problem = problem.split(" at line ").next().unwrap_or(problem);
        let problem = &*without_value(problem);
        let within = match path {
            "." | "?" | "" => None,
            path => Some(path),
        };
        let named = |name: &str| match within {
            Some(path) => format!("{path}.{name}"),
            None => name.to_owned(),
        };
        let quoted = |before: &str| problem.strip_prefix(before)?.split_once('`');
        if let Some((name, _)) = quoted("missing field `") {
            return Self {
                field: Some(named(name)),
                problem: "is missing".into(),
            };
        }
        if let Some((name, rest)) = quoted("unknown field `") {
            let is_last = path.rsplit('.').next() == Some(name);
            let field = if is_last { path.to_owned() } else { named(name) };
            return Self {
                field: Some(field),
                problem: format!("is not known here{rest}"),
            };
        }
        Self {
            field: within.map(str::to_owned),
            problem: problem.to_owned(),
        }
    }
}

/// What serde says of a value that is of another type, or out of range, without the value: it may be a secret, and
/// problems are logged.
fn without_value(problem: &str) -> Cow<'_, str> {
    let told = ["invalid type: ", "invalid value: "].iter().find_map(|said| {
        let (value, expected) = problem.strip_prefix(said)?.rsplit_once(", expected ")?;
        let kind = value.split(['`', '"']).next().unwrap_or_default().trim_end();
        Some(format!("{said}{kind}, expected {expected}"))
    });
    told.map_or(Cow::Borrowed(problem), Cow::Owned)
}

/// Reads an object.
pub fn read<T: DeserializeOwned>(object: Map<String, Value>) -> Result<T, Misread> {
    serde_path_to_error::deserialize(Strict(Value::from(object))).map_err(|error| {
        let path = error.path().to_string();
        Misread::new(&path, &error.into_inner().to_string())
    })
}

/// A value of which nothing is read that JSON Schema would not take for it, and all that it would: serde takes an array
/// for a struct, and `594.0` for no integer (JSON Schema 2020-12 §4.2.3).
struct Strict(Value);

/// Above this not every integer is a floating-point number.
const MAX_EXACT: f64 = 9_007_199_254_740_992.0;

impl<'de> Deserializer<'de> for Strict {
    type Error = Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self.0 {
            Value::Array(items) => {
                let mut items = SeqDeserializer::new(items.into_iter().map(Strict));
                let value = visitor.visit_seq(&mut items)?;
                items.end().map(|()| value)
            }
            Value::Number(number) => match number.as_f64().filter(|_| number.is_f64()) {
                Some(float) if float.fract() == 0.0 && float.abs() <= MAX_EXACT => {
                    visitor.visit_i64(float as i64)
                }
                _ => Value::Number(number).deserialize_any(visitor),
            },
            Value::Object(fields) => {
                let fields = fields.into_iter().map(|(name, value)| (name, Strict(value)));
                let mut fields = MapDeserializer::new(fields);
                let value = visitor.visit_map(&mut fields)?;
                fields.end().map(|()| value)
            }
            other => other.deserialize_any(visitor),
        }
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        self.0.deserialize_enum(name, variants, visitor)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Error> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self.0 {
            Value::Null => visitor.visit_none(),
            _ => visitor.visit_some(self),
        }
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        match self.0 {
            Value::Array(_) => Err(Error::custom("invalid type: sequence, expected an object")),
            _ => self.deserialize_any(visitor),
        }
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit unit_struct seq tuple
        tuple_struct map identifier ignored_any
    }
}

impl<'de> IntoDeserializer<'de, Error> for Strict {
    type Deserializer = Self;

    fn into_deserializer(self) -> Self {
        self
    }
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;
    use serde_json::json;

    use super::*;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    #[allow(dead_code)]
    struct Outer {
        name: String,
        inner: Option<Inner>,
        list: Option<Vec<Inner>>,
    }

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    #[allow(dead_code)]
    struct Inner {
        count: u8,
    }

    fn blamed(value: Value) -> String {
        let Value::Object(object) = value else { panic!() };
        read::<Outer>(object).unwrap_err().field.unwrap()
    }

    #[test]
    fn an_array_is_no_object() {
        assert_eq!(blamed(json!({ "name": "a", "inner": [1] })), "inner");
        assert_eq!(blamed(json!({ "name": "a", "list": [[1]] })), "list[0]");
        let whole = json!({ "name": "a", "inner": null, "list": [{ "count": 1 }] });
        let Value::Object(whole) = whole else { panic!() };
        let read = read::<Outer>(whole).unwrap();
        assert!(read.inner.is_none() && read.list.unwrap().len() == 1);
    }

    #[test]
    fn an_integer_may_be_written_with_a_point() {
        let count = |count: Value| read::<Inner>(Map::from_iter([("count".to_owned(), count)]));
        assert_eq!(count(json!(59.0)).unwrap().count, 59);
        assert!(count(json!(59.5)).is_err());
        assert!(count(json!(1e300)).is_err());
    }

    #[test]
    fn k_w7_a_value_that_is_wrong_is_not_repeated() {
        let told = |value: Value| {
            let Value::Object(object) = value else { panic!() };
            read::<Outer>(object).unwrap_err().problem
        };
        let number = told(json!({ "name": 423_456_789 }));
        assert_eq!(number, "invalid type: integer, expected a string");
        let text = told(json!({ "name": "a", "inner": { "count": "hunter, expected `2\"" } }));
        assert_eq!(text, "invalid type: string, expected u8");
        let large = told(json!({ "name": "a", "inner": { "count": 4711 } }));
        assert_eq!(large, "invalid value: integer, expected u8");
        let whole = Misread::new(
            "",
            "invalid type: string \"hunter2\", expected a map at line 1 column 9",
        );
        assert_eq!(whole.problem, "invalid type: string, expected a map");
    }

    #[test]
    fn the_field_that_is_to_blame_is_named() {
        assert_eq!(blamed(json!({})), "name");
        assert_eq!(blamed(json!({ "name": 1 })), "name");
        assert_eq!(blamed(json!({ "name": "a", "colour": "red" })), "colour");
        assert_eq!(blamed(json!({ "name": "a", "inner": {} })), "inner.count");
        assert_eq!(
            blamed(json!({ "name": "a", "inner": { "count": 256 } })),
            "inner.count"
        );
        assert_eq!(
            blamed(json!({ "name": "a", "inner": { "count": 1, "x": 1 } })),
            "inner.x"
        );
        assert_eq!(
            blamed(json!({ "name": "a", "list": [{ "count": 1 }, {}] })),
            "list[1].count"
        );
    }
}
