//! The rules of reading, by table, on record types made for it; then arbitrary bodies.
//!
//! The texts were compared with those of the reference's decoder, byte by byte, on some 200,000 bodies, most of
//! them broken.

use proptest::prelude::*;

use super::*;

#[derive(Debug, Default, PartialEq)]
struct Outer {
    name: String,
    age: i64,
    on: Option<bool>,
    numbers: Vec<i64>,
    words: Vec<String>,
    map: Vec<(String, String)>,
    parts: Vec<Part>,
}

#[derive(Debug, Default, PartialEq)]
struct Part {
    number: i64,
    tag: String,
}

impl Record for Outer {
    const TYPE: &'static str = "handler.Outer";
    fn read(&mut self, field: &mut Field<'_>) {
        field.read("name", &mut self.name);
        field.read("age", &mut self.age);
        field.read("on", &mut self.on);
        field.read("numbers", &mut self.numbers);
        field.read("words", &mut self.words);
        field.read("someMap", &mut self.map);
        field.list("parts", &mut self.parts);
    }
    fn required(&self) -> Vec<(&'static str, bool)> {
        vec![("Name", !self.name.is_empty()), ("Age", self.age != 0)]
    }
}

impl Record for Part {
    const TYPE: &'static str = "handler.Part";
    fn read(&mut self, field: &mut Field<'_>) {
        field.read("partNumber", &mut self.number);
        field.read("tag", &mut self.tag);
    }
}

/// A request type without a name of its own.
#[derive(Debug, Default)]
struct Nameless(String);

impl Record for Nameless {
    const TYPE: &'static str = r#"struct { Content string "json:\"content\"" }"#;
    fn read(&mut self, field: &mut Field<'_>) {
        field.read("content", &mut self.0);
    }
}

/// What a body with the required fields in front becomes.
#[track_caller]
fn check(fields: &[u8], expect: Outer) {
    let body = [br#" { "name" : "n", "age": 7, "#, fields, b"} trailing"].concat();
    assert_eq!(decode::<Outer>(&body), Ok(Outer { name: "n".to_owned(), age: 7, ..expect }));
}

#[track_caller]
fn check_error(body: impl AsRef<[u8]>, expect: &str) {
    assert_eq!(decode::<Outer>(body.as_ref()).unwrap_err().to_string(), expect);
}

/// What the inside of a string becomes.
#[track_caller]
fn check_text(raw: &[u8], expect: &str) {
    let body = [b"{\"content\":\"", raw, b"\"}"].concat();
    assert_eq!(decode::<Nameless>(&body).unwrap().0, expect);
}

fn texts(texts: &[&str]) -> Vec<String> {
    texts.iter().map(ToString::to_string).collect()
}

fn pairs(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs.iter().map(|(key, value)| (key.to_string(), value.to_string())).collect()
}

#[test]
fn fields_of_each_type() {
    check(br#""on":false"#, Outer { on: Some(false), ..Outer::default() });
    check(br#""numbers" : [ 1 ,-2,-0 , null]"#, Outer { numbers: vec![1, -2, 0, 0], ..Outer::default() });
    check(br#""words":["a",null,"b"]"#, Outer { words: texts(&["a", "", "b"]), ..Outer::default() });
    check(
        br#""somemap":{"b":"1","a":null}"#,
        Outer { map: pairs(&[("b", "1"), ("a", "")]), ..Outer::default() },
    );
    let parts = vec![Part { number: 1, tag: "x".to_owned() }, Part::default(), Part::default()];
    check(br#""parts":[{"PARTNUMBER":1,"tag":"x"},{},null]"#, Outer { parts, ..Outer::default() });
    check(br#""on":null,"numbers":null,"words":null,"somemap":null,"parts":null"#, Outer::default());
    check(br#""numbers":[],"words":[ ],"somemap":{ },"parts":[]"#, Outer::default());
}

#[test]
fn keys() {
    check(br#""":1,"other":[{"name":5},"]}",1.5e+300,true,false,null,"\ud800"]"#, Outer::default());
    check(br#""N\u0061ME":"m","nAmE":"n""#, Outer::default());
    check(br#""on":true,"ON":null"#, Outer::default());
    check(br#""numbers":[1,2],"numbers":[3]"#, Outer { numbers: vec![3], ..Outer::default() });
    check(
        br#""somemap":{"a":"1","b":"2","a":"3"}"#,
        Outer { map: pairs(&[("b", "2"), ("a", "3")]), ..Outer::default() },
    );
    check(
        br#""somemap":{"a":"1"},"someMap":{"b":"2"}"#,
        Outer { map: pairs(&[("b", "2")]), ..Outer::default() },
    );
}

#[test]
fn integers() {
    check(b"\"age\":9223372036854775807,\"age\":7", Outer::default());
    for number in ["9223372036854775808", "1.0", "1e3", "1.5", "-0.0"] {
        check_error(
            format!(r#"{{"age":{number}}}"#),
            &format!("json: cannot unmarshal number {number} into Go struct field Outer.age of type int"),
        );
    }
    let quoted = "9".repeat(64);
    check_error(
        format!(r#"{{"age":{}}}"#, "9".repeat(1_000_000)),
        &format!("json: cannot unmarshal number {quoted}… into Go struct field Outer.age of type int"),
    );
}

#[test]
fn text() {
    check_text(br#"\"\\\/\b\f\n\r\t\u0041\u00e9\u20AC"#, "\"\\/\u{8}\u{c}\n\r\tAé€");
    check_text(r"größer 服务器 🚀\n".as_bytes(), "größer 服务器 🚀\n");
    check_text(br"\ud83d\ude80", "🚀");
    check_text(br"\ud83d", "\u{fffd}");
    check_text(br"\ude80\ud83d", "\u{fffd}\u{fffd}");
    check_text(br"\ud83d\ud83d\ude80", "\u{fffd}🚀");
    check_text(br"\ud83dx\u0041", "\u{fffd}xA");
    check_text(br"\ud83d\n", "\u{fffd}\n");
    check_text(b"a\xff\xc3b", "a\u{fffd}\u{fffd}b");
    check_text(b"\xf0\x9f\x9a\\n\xe2\x82", "\u{fffd}\u{fffd}\u{fffd}\n\u{fffd}\u{fffd}");
    check_text("\u{7f}\u{85}\u{2028}".as_bytes(), "\u{7f}\u{85}\u{2028}");
}

#[test]
fn wrong_types() {
    check_error("5", "json: cannot unmarshal number into Go value of type handler.Outer");
    check_error("true", "json: cannot unmarshal bool into Go value of type handler.Outer");
    check_error(
        r#"{"NAME":[]}"#,
        "json: cannot unmarshal array into Go struct field Outer.name of type string",
    );
    check_error(
        r#"{"name":{}}"#,
        "json: cannot unmarshal object into Go struct field Outer.name of type string",
    );
    check_error(r#"{"on":1}"#, "json: cannot unmarshal number into Go struct field Outer.on of type bool");
    check_error(r#"{"age":true}"#, "json: cannot unmarshal bool into Go struct field Outer.age of type int");
    check_error(
        r#"{"numbers":1}"#,
        "json: cannot unmarshal number into Go struct field Outer.numbers of type []int",
    );
    check_error(
        r#"{"numbers":[1,2.5]}"#,
        "json: cannot unmarshal number 2.5 into Go struct field Outer.numbers of type int",
    );
    check_error(
        r#"{"words":{}}"#,
        "json: cannot unmarshal object into Go struct field Outer.words of type []string",
    );
    check_error(
        r#"{"words":[1]}"#,
        "json: cannot unmarshal number into Go struct field Outer.words of type string",
    );
    check_error(
        r#"{"parts":"x"}"#,
        "json: cannot unmarshal string into Go struct field Outer.parts of type []handler.Part",
    );
    check_error(
        r#"{"parts":[1]}"#,
        "json: cannot unmarshal number into Go struct field Outer.parts of type handler.Part",
    );
    check_error(
        r#"{"parts":[{},{"partnumber":"1"}]}"#,
        "json: cannot unmarshal string into Go struct field Part.parts.partNumber of type int",
    );
    // The first in the body, not in the type.
    check_error(
        r#"{"words":1,"name":2,"parts":3}"#,
        "json: cannot unmarshal number into Go struct field Outer.words of type []string",
    );
}

#[test]
fn nameless_type() {
    let error = decode::<Nameless>(br#"{"content":1}"#).unwrap_err();
    assert_eq!(
        error.to_string(),
        "json: cannot unmarshal number into Go struct field .content of type string"
    );
    let error = decode::<Nameless>(b"[]").unwrap_err();
    assert_eq!(
        error.to_string(),
        format!("json: cannot unmarshal array into Go value of type {}", Nameless::TYPE)
    );
}

#[test]
fn missing_fields() {
    const NAME: &str = "Key: 'Outer.Name' Error:Field validation for 'Name' failed on the 'required' tag";
    const AGE: &str = "Key: 'Outer.Age' Error:Field validation for 'Age' failed on the 'required' tag";
    check_error("{}", &format!("{NAME}\n{AGE}"));
    check_error("null", &format!("{NAME}\n{AGE}"));
    check_error(r#"{"name":"a"}"#, AGE);
}

#[test]
fn ends_too_early() {
    for body in ["", " ", "\r\n\t"] {
        check_error(body, "EOF");
    }
    for body in
        ["{", "[", "[1", "[1,", "{\"a", "{\"a\\", "{\"a\\u00", "{\"a\"", "{\"a\":", "{\"a\":1", "{\"a\":1,"]
    {
        check_error(body, "unexpected EOF");
    }
    for body in ["-", "1.", "1e", "1e+", "t", "nul", "\""] {
        check_error(body, "unexpected EOF");
    }
}

#[test]
fn broken_syntax() {
    for (body, expect) in [
        ("x", "'x' looking for beginning of value"),
        ("]", "']' looking for beginning of value"),
        ("[1,]", "']' looking for beginning of value"),
        ("{\"a\":}", "'}' looking for beginning of value"),
        ("{1:2}", "'1' looking for beginning of object key string"),
        ("{\"a\":1,}", "'}' looking for beginning of object key string"),
        ("{'a':1}", r"'\'' looking for beginning of object key string"),
        ("{\"a\" 1}", "'1' after object key"),
        ("{\"a\":1 \"b\"}", "'\"' after object key:value pair"),
        ("{\"a\":1]", "']' after object key:value pair"),
        ("[1 2]", "'2' after array element"),
        ("[01]", "'1' after array element"),
        ("[1}", "'}' after array element"),
        ("[-x", "'x' in numeric literal"),
        ("[1.x", "'x' after decimal point in numeric literal"),
        ("[1ex", "'x' in exponent of numeric literal"),
        ("[1e-x", "'x' in exponent of numeric literal"),
        ("trie", "'i' in literal true (expecting 'u')"),
        ("[falsy", "'y' in literal false (expecting 'e')"),
        ("[nil", "'i' in literal null (expecting 'u')"),
        ("\"a\nb\"", r"'\n' in string literal"),
        ("\"a\0b\"", r"'\x00' in string literal"),
        (r#""\x""#, "'x' in string escape code"),
        (r#""\u12g4""#, r"'g' in \u hexadecimal character escape"),
        ("\\", r"'\\' looking for beginning of value"),
        ("\u{7}", r"'\a' looking for beginning of value"),
        ("\u{7f}", r"'\x7f' looking for beginning of value"),
        ("\u{80}", "'Â' looking for beginning of value"),
        ("[\u{feff}", "'ï' looking for beginning of value"),
    ] {
        check_error(body, &format!("invalid character {expect}"));
    }
    check_error(b"\x9f", r"invalid character '\u009f' looking for beginning of value");
}

#[test]
fn depth() {
    let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
    check(format!("\"other\":{}", nested(999)).as_bytes(), Outer::default());
    check_error(nested(1_000), "json: cannot unmarshal array into Go value of type handler.Outer");
    check_error(nested(1_001), "exceeded max depth");
    check_error("[".repeat(10_000_000), "exceeded max depth");
    check_error("{\"a\":".repeat(1_001), "exceeded max depth");
}

/// Bytes of which JSON is made, so that the parser gets further than on arbitrary ones.
fn any_body() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop::sample::select(vec![
        "{",
        "}",
        "[",
        "]",
        ",",
        ":",
        "\"",
        "\\",
        "null",
        "true",
        "0",
        "-1.5e3",
        "\"name\"",
        "\"parts\"",
        "\"someMap\":{",
        "{\"name\":\"n\",\"age\":7,",
        " ",
        "\\ud83d",
        "\\u00",
        "é",
        "\n",
    ]);
    let bytes = prop_oneof![8 => piece.prop_map(|piece| piece.as_bytes().to_vec()), 1 => prop::collection::vec(any::<u8>(), 0..3)];
    prop::collection::vec(bytes, 0..40).prop_map(|pieces| pieces.concat())
}

/// Pieces of strings in which halves of surrogate pairs are next to all they may be next to.
fn any_piece() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec![r"\ud83d", r"\uDE80", r"\u0041", r"\uFFFD", r"\\", r"\n", "u", "ud800", "é"])
}

proptest! {
    #[test]
    fn takes_any_bytes(body in any_body()) {
        let first = decode::<Outer>(&body);
        // Where the stricter parser finds one good value and nothing behind it, there is one.
        if serde_json::from_slice::<serde_json::Value>(&body).is_ok() {
            let broken = matches!(first, Err(DecodeError::Syntax(_)));
            prop_assert!(!broken);
        }
    }

    #[test]
    fn mended_text_is_what_a_stricter_parser_takes(pieces in prop::collection::vec(any_piece(), 0..8), cut in "(?s).{0,6}") {
        let body = format!("{{\"content\":\"{}\"}}", pieces.concat());
        let strict: serde_json::Value = serde_json::from_str(&mend_halves(&body)).unwrap();
        prop_assert_eq!(strict["content"].as_str(), Some(&*decode::<Nameless>(body.as_bytes()).unwrap().0));
        mend_halves(&format!("{body}\\u{cut}"));
    }

    #[test]
    fn takes_any_text(text in "(?s).*") {
        let body = serde_json::to_vec(&serde_json::json!({ "content": text })).unwrap();
        prop_assert_eq!(decode::<Nameless>(&body).unwrap().0, text);
    }
}
