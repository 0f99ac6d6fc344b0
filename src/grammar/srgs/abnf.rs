//! The ABNF form of SRGS 1.0 (appendix C): text to rules.

use nom::branch::alt;
use nom::bytes::complete::{is_not, tag, take_until, take_while, take_while1};
use nom::character::complete::{anychar, char, line_ending, multispace1, none_of, not_line_ending, space1};
use nom::combinator::{all_consuming, cut, eof, map, map_res, not, opt, peek, recognize, value, verify};
use nom::error::{ErrorKind, FromExternalError, ParseError};
use nom::multi::{fold_many0, many0, separated_list1};
use nom::sequence::{delimited, pair, preceded, terminated};
use nom::{Finish as _, IResult, Parser};

use crate::grammar::semantics::{Tag, TagFormat};
use crate::grammar::srgs::{
    Expansion, Reference, Rule, Srgs, Times, check_rule_name, probability as parse_probability, times,
    weight as parse_weight,
};
use crate::grammar::{Error, Mode};

/// Deepest nesting of brackets.
const MAX_DEPTH: usize = 64;

/// Where reading ended, and why if it is known.
#[derive(Debug)]
struct Wrong<'a> {
    at: &'a str,
    reason: Option<String>,
}

impl<'a> ParseError<&'a str> for Wrong<'a> {
    fn from_error_kind(at: &'a str, _: ErrorKind) -> Self {
        Self { at, reason: None }
    }

    fn append(_: &'a str, _: ErrorKind, other: Self) -> Self {
        other
    }

    /// Of several ways to read on, the one that came furthest tells what is wrong.
    fn or(self, other: Self) -> Self {
        if self.at.len() < other.at.len() || (self.at.len() == other.at.len() && self.reason.is_some()) {
            self
        } else {
            other
        }
    }
}

impl<'a> FromExternalError<&'a str, String> for Wrong<'a> {
    fn from_external_error(at: &'a str, _: ErrorKind, reason: String) -> Self {
        Self { at, reason: Some(reason) }
    }
}

type Read<'a, T> = IResult<&'a str, T, Wrong<'a>>;

/// Reads a document.
///
/// # Errors
/// [`crate::grammar::Failure::Compilation`] with the place in the text.
pub(in crate::grammar) fn parse(text: &str) -> Result<Srgs, Error> {
    let text = text.trim_start_matches('\u{feff}');
    let placed = |wrong: Wrong<'_>| {
        let near: String = wrong.at.chars().take(20).collect();
        let reason = wrong.reason.unwrap_or_else(|| match near.is_empty() {
            true => "the text ends too early".to_owned(),
            false => format!("{near:?} is not expected here"),
        });
        Error::compilation(format!("SRGS: {reason} (at octet {})", text.len() - wrong.at.len()))
    };
    let (rest, ()) = header(text).finish().map_err(placed)?;
    let (rest, declared) = many0(spaced(declaration)).parse(rest).finish().map_err(placed)?;
    let mut srgs = Srgs::default();
    let mut tags = Vec::new();
    for declaration in declared {
        declaration.apply(&mut srgs, &mut tags).map_err(|reason| Error::compilation(format!("SRGS: {reason}")))?;
    }
    let format = srgs.tag_format;
    for tag in tags {
        let tag = Tag::parse(tag, format).map_err(|reason| Error::compilation(format!("SRGS: {reason}")))?;
        srgs.header_tags.push(tag);
    }
    let one = terminated(|rest| rule(rest, format), blank);
    let (rest, rules) = preceded(blank, many0(one)).parse(rest).finish().map_err(placed)?;
    all_consuming(blank).parse(rest).finish().map_err(placed)?;
    srgs.rules = rules;
    srgs.checked().map_err(|reason| Error::compilation(format!("SRGS: {reason}")))
}

/// White space and comments.
fn blank(text: &str) -> Read<'_, ()> {
    let line = recognize((tag("//"), not_line_ending, alt((line_ending, eof))));
    let block = recognize((tag("/*"), cut((take_until("*/"), tag("*/")))));
    value((), many0(alt((multispace1, line, block)))).parse(text)
}

fn spaced<'a, O>(
    inner: impl Parser<&'a str, Output = O, Error = Wrong<'a>>,
) -> impl Parser<&'a str, Output = O, Error = Wrong<'a>> {
    preceded(blank, inner)
}

/// A sign that must follow, after white space.
fn sign<'a>(sign: char) -> impl Parser<&'a str, Output = char, Error = Wrong<'a>> {
    spaced(char(sign))
}

/// `#ABNF 1.0 UTF-8;`
fn header(text: &str) -> Read<'_, ()> {
    let encoding = preceded(space1, take_while1(|c: char| c.is_ascii_graphic() && c != ';'));
    let version = map_res(take_while1(|c: char| c.is_ascii_digit() || c == '.'), |version: &str| match version {
        "1.0" => Ok(()),
        _ => Err(format!("version {version} is not 1.0")),
    });
    value((), (tag("#ABNF"), cut((space1, version, opt(encoding), sign(';'))))).parse(text)
}

#[derive(Debug, Clone)]
enum Declaration<'a> {
    Language(&'a str),
    Mode(&'a str),
    Root(&'a str),
    TagFormat(&'a str),
    Base(&'a str),
    Meta(String, String),
    /// `http-equiv` and `lexicon` bear on nothing here.
    Other,
    HeaderTag(&'a str),
}

impl<'a> Declaration<'a> {
    fn apply(self, srgs: &mut Srgs, tags: &mut Vec<&'a str>) -> Result<(), String> {
        match self {
            Self::Language(language) => srgs.language = Some(language.to_owned()),
            Self::Mode("voice") => srgs.mode = Mode::Voice,
            Self::Mode("dtmf") => srgs.mode = Mode::Dtmf,
            Self::Mode(mode) => return Err(format!("mode is {mode}, not voice or dtmf")),
            Self::Root(root) => srgs.root = Some(root.to_owned()),
            Self::TagFormat(format) => srgs.tag_format = TagFormat::from_name(Some(format))?,
            Self::Base(base) => srgs.base = Some(base.to_owned()),
            Self::Meta(name, content) => srgs.meta.push((name, content)),
            Self::Other => {}
            Self::HeaderTag(tag) => tags.push(tag),
        }
        Ok(())
    }
}

fn declaration(text: &str) -> Read<'_, Declaration<'_>> {
    let word = || spaced(take_while1(|c: char| c.is_ascii_graphic() && c != ';'));
    let is = |name| {
        preceded(
            pair(tag(name), not(name_character)),
            cut(pair(spaced(quoted), preceded(spaced(tag("is")), spaced(quoted)))),
        )
    };
    let key = |name| terminated(tag(name), not(name_character));
    terminated(
        alt((
            map(preceded(key("language"), cut(word())), Declaration::Language),
            map(preceded(key("mode"), cut(word())), Declaration::Mode),
            map(preceded(key("root"), cut(preceded(sign('$'), rule_name))), Declaration::Root),
            map(preceded(key("tag-format"), cut(spaced(uri))), Declaration::TagFormat),
            map(preceded(key("base"), cut(spaced(uri))), Declaration::Base),
            value(Declaration::Other, preceded(key("lexicon"), cut(spaced(uri)))),
            map(is("meta"), |(name, content)| Declaration::Meta(name, content)),
            value(Declaration::Other, is("http-equiv")),
            map(script, Declaration::HeaderTag),
        )),
        cut(sign(';')),
    )
    .parse(text)
}

fn name_character(text: &str) -> Read<'_, char> {
    verify(anychar, |c| c.is_alphanumeric() || *c == '_' || *c == '-').parse(text)
}

fn rule_name(text: &str) -> Read<'_, &str> {
    map_res(take_while1(|c: char| c.is_alphanumeric() || c == '_' || c == '-' || !c.is_ascii()), |name: &str| {
        check_rule_name(name).map(|()| name)
    })
    .parse(text)
}

/// `<uri>`, with or without a media type after it (`~<type>`).
fn uri(text: &str) -> Read<'_, &str> {
    let bracketed = || delimited(char('<'), take_while1(|c: char| c != '>' && c != '\n'), cut(char('>')));
    terminated(map(bracketed(), str::trim), opt(preceded(char('~'), cut(bracketed())))).parse(text)
}

fn quoted(text: &str) -> Read<'_, String> {
    let character = alt((preceded(char('\\'), anychar), none_of("\"\\")));
    let inner = fold_many0(character, String::new, |mut text, c| {
        text.push(c);
        text
    });
    delimited(char('"'), inner, cut(char('"'))).parse(text)
}

/// A tag's content: `{...}` or `{!{...}!}`.
fn script(text: &str) -> Read<'_, &str> {
    alt((
        delimited(tag("{!{"), cut(take_until("}!}")), tag("}!}")),
        delimited(char('{'), cut(take_while(|c| c != '}')), cut(char('}'))),
    ))
    .parse(text)
}

fn rule(text: &str, format: TagFormat) -> Read<'_, Rule> {
    let scope = alt((value(true, tag("public")), value(false, tag("private"))));
    let mut scope = opt(terminated(scope, (not(name_character), blank)));
    let (text, public) = scope.parse(text)?;
    let (text, id) = preceded(char('$'), cut(rule_name)).parse(text)?;
    let (text, _) = cut(sign('=')).parse(text)?;
    let (text, expansion) = cut(|text| alternatives(text, format, 0)).parse(text)?;
    let (text, _) = cut(sign(';')).parse(text)?;
    Ok((text, Rule { id: id.to_owned(), public: public.unwrap_or(false), expansion }))
}

fn alternatives(text: &str, format: TagFormat, depth: usize) -> Read<'_, Expansion> {
    if depth > MAX_DEPTH {
        let reason = Some(format!("brackets nested deeper than {MAX_DEPTH}"));
        return Err(nom::Err::Failure(Wrong { at: text, reason }));
    }
    let weight = delimited(sign('/'), cut(map_res(is_not("/\r\n"), parse_weight)), cut(char('/')));
    let one = pair(opt(weight), |text| sequence(text, format, depth));
    let (text, mut items) = separated_list1(sign('|'), one).parse(text)?;
    if let (Some((None, _)), 1) = (items.first(), items.len())
        && let Some((_, only)) = items.pop()
    {
        return Ok((text, only));
    }
    let items = items.into_iter().map(|(weight, item)| (weight.unwrap_or(1.0), item)).collect();
    Ok((text, Expansion::OneOf(items)))
}

fn sequence(text: &str, format: TagFormat, depth: usize) -> Read<'_, Expansion> {
    let (mut text, first) = element(text, format, depth)?;
    let mut parts = vec![first];
    loop {
        match element(text, format, depth) {
            Ok((rest, part)) => {
                parts.push(part);
                text = rest;
            }
            Err(nom::Err::Error(_)) => break,
            Err(error) => return Err(error),
        }
    }
    Ok((text, Expansion::Sequence(parts)))
}

/// What stands alone in a sequence, with how often it is said.
fn element(text: &str, format: TagFormat, depth: usize) -> Read<'_, Expansion> {
    let language = || opt(preceded(char('!'), cut(take_while1(|c: char| c.is_ascii_alphanumeric() || c == '-'))));
    let brackets = |open, close| {
        let inner = move |text| alternatives(text, format, depth + 1);
        delimited(char(open), cut(inner), cut(sign(close)))
    };
    let optional = |expansion| Expansion::Repeat {
        times: Times { min: 0, max: Some(1) },
        probability: 1.0,
        expansion: Box::new(expansion),
    };
    let nothing = value(Expansion::RuleRef(Reference::Null), (char('('), blank, char(')')));
    let said = alt((
        preceded(peek(char('{')), cut(map_res(script, |text| Tag::parse(text, format).map(Expansion::Tag)))),
        map(preceded(char('$'), cut(reference)), Expansion::RuleRef),
        terminated(nothing, language()),
        terminated(brackets('(', ')'), language()),
        map(terminated(brackets('[', ']'), language()), optional),
        map(terminated(token, language()), Expansion::Token),
    ));
    let (text, expansion) = spaced(said).parse(text)?;
    let (text, repeat) = opt(spaced(repeat)).parse(text)?;
    let expansion = match repeat {
        None => expansion,
        Some((times, probability)) => Expansion::Repeat { times, probability, expansion: Box::new(expansion) },
    };
    Ok((text, expansion))
}

fn reference(text: &str) -> Read<'_, Reference> {
    let named = map_res(take_while1(|c: char| c.is_alphanumeric() || c == '_' || c == '-' || !c.is_ascii()), |name| {
        Ok(match name {
            "NULL" => Reference::Null,
            "VOID" => Reference::Void,
            "GARBAGE" => Reference::Garbage,
            name => Reference::Local(check_rule_name(name).map(|()| name.to_owned())?),
        })
    });
    let elsewhere = map(uri, |uri| match uri.strip_prefix('#') {
        Some(id) => Reference::Local(id.to_owned()),
        None => Reference::External(uri.to_owned()),
    });
    alt((elsewhere, named)).parse(text)
}

fn token(text: &str) -> Read<'_, String> {
    let words = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    let named = map_res(quoted, |text| match words(&text) {
        words if words.is_empty() => Err("an empty token".to_owned()),
        words => Ok(words),
    });
    let plain = take_while1(|c: char| !c.is_whitespace() && !";=|*+<>()[]{}/$!\"".contains(c));
    alt((preceded(peek(char('"')), cut(named)), map(plain, str::to_owned))).parse(text)
}

/// `<n>`, `<n-m>`, `<n->`, with `/probability/`.
fn repeat(text: &str) -> Read<'_, (Times, f32)> {
    let times = map_res(take_while1(|c: char| c.is_ascii_digit() || c == '-' || c == ' '), times);
    let likely = delimited(char('/'), cut(map_res(is_not("/\r\n>"), parse_probability)), cut(char('/')));
    let inside = (preceded(blank, times), opt(spaced(likely)));
    map(delimited(char('<'), cut(inside), cut(sign('>'))), |(times, likely)| (times, likely.unwrap_or(1.0))).parse(text)
}
