//! Tokens to a script: statements and expressions of ECMAScript, without functions, exceptions and regular expressions.

use crate::grammar::semantics::lexer::{Placed, Token, tokens};
use crate::grammar::semantics::script::{Binary, Expression, Kind, Script, Statement, Unary};

/// Deepest nesting of statements and brackets.
const MAX_NESTING: usize = 48;
/// Most operators one over another: `a + b + c` has two.
const MAX_DEPTH: usize = 200;

/// What is wrong, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::grammar) struct SyntaxError {
    /// Octets before it.
    pub(super) at: usize,
    pub(super) reason: String,
}

/// Words that are no names. Those of what is not run here tell so.
const KEYWORDS: [&str; 29] = [
    "break",
    "case",
    "catch",
    "class",
    "const",
    "continue",
    "debugger",
    "default",
    "delete",
    "do",
    "else",
    "finally",
    "for",
    "function",
    "if",
    "in",
    "instanceof",
    "let",
    "new",
    "return",
    "switch",
    "throw",
    "try",
    "typeof",
    "var",
    "void",
    "while",
    "with",
    "yield",
];

/// Operators by how tightly they bind, loosest first.
const LEVELS: [&[(&str, Binary)]; 4] = [
    &[("==", Binary::Equal), ("!=", Binary::NotEqual), ("===", Binary::Same), ("!==", Binary::NotSame)],
    &[
        ("<", Binary::Less),
        ("<=", Binary::LessOrEqual),
        (">", Binary::Greater),
        (">=", Binary::GreaterOrEqual),
        ("in", Binary::In),
    ],
    &[("+", Binary::Add), ("-", Binary::Subtract)],
    &[("*", Binary::Multiply), ("/", Binary::Divide), ("%", Binary::Remainder)],
];

const ASSIGNMENTS: [(&str, Option<Binary>); 6] = [
    ("=", None),
    ("+=", Some(Binary::Add)),
    ("-=", Some(Binary::Subtract)),
    ("*=", Some(Binary::Multiply)),
    ("/=", Some(Binary::Divide)),
    ("%=", Some(Binary::Remainder)),
];

/// Reads a script.
pub(super) fn parse(text: &str) -> Result<Script, SyntaxError> {
    let mut parser = Parser { tokens: tokens(text)?, next: 0, depth: 0 };
    let mut statements = Vec::new();
    while *parser.peek() != Token::End {
        statements.extend(parser.statement()?);
    }
    Ok(Script { statements })
}

struct Parser {
    /// At least [`Token::End`].
    tokens: Vec<Placed>,
    next: usize,
    depth: usize,
}

type Read<T> = Result<T, SyntaxError>;

impl Parser {
    fn placed(&self) -> &Placed {
        self.tokens.get(self.next).or(self.tokens.last()).expect("the last token is the end")
    }

    fn peek(&self) -> &Token {
        &self.placed().token
    }

    fn wrong<T>(&self, reason: impl Into<String>) -> Read<T> {
        Err(SyntaxError { at: self.placed().at, reason: reason.into() })
    }

    fn unexpected<T>(&self) -> Read<T> {
        match self.peek() {
            Token::End => self.wrong("the script ends too early"),
            Token::Name(name) if KEYWORDS.contains(&name.as_str()) => {
                self.wrong(format!("{name} can't be here, or is not supported"))
            }
            Token::Name(name) => self.wrong(format!("{name} is not expected")),
            Token::Number(number) => self.wrong(format!("{number} is not expected")),
            Token::Text(text) => self.wrong(format!("{text:?} is not expected")),
            Token::Sign(sign) => self.wrong(format!("{sign} is not expected")),
        }
    }

    fn advance(&mut self) {
        self.next += 1;
    }

    fn take(&mut self, wanted: &str) -> bool {
        let found = match self.peek() {
            Token::Sign(sign) => *sign == wanted,
            Token::Name(name) => name == wanted && KEYWORDS.contains(&wanted),
            _ => false,
        };
        if found {
            self.advance();
        }
        found
    }

    fn must(&mut self, wanted: &str) -> Read<()> {
        if self.take(wanted) { Ok(()) } else { self.unexpected() }
    }

    fn name(&mut self) -> Read<String> {
        match self.peek() {
            Token::Name(name) if !KEYWORDS.contains(&name.as_str()) => {
                let name = name.clone();
                self.advance();
                Ok(name)
            }
            _ => self.unexpected(),
        }
    }

    /// A statement may end at a semicolon, a line's end, a bracket's or the script's.
    fn end_of_statement(&mut self) -> Read<()> {
        let ends = matches!(self.peek(), Token::End | Token::Sign("}")) || self.placed().after_line;
        if self.take(";") || ends { Ok(()) } else { self.unexpected() }
    }

    fn deeper<T>(&mut self, read: impl FnOnce(&mut Self) -> Read<T>) -> Read<T> {
        if self.depth >= MAX_NESTING {
            return self.wrong("nested too deep");
        }
        self.depth += 1;
        let found = read(self);
        self.depth -= 1;
        found
    }

    /// `None` for an empty statement.
    fn statement(&mut self) -> Read<Option<Statement>> {
        self.deeper(|parser| parser.one_statement())
    }

    fn one_statement(&mut self) -> Read<Option<Statement>> {
        if self.take(";") {
            return Ok(None);
        }
        if self.take("{") {
            let mut statements = Vec::new();
            while !self.take("}") {
                statements.extend(self.statement()?);
            }
            return Ok(Some(Statement::Block(statements)));
        }
        if self.take("var") || self.take("let") || self.take("const") {
            let declared = self.declarations()?;
            self.end_of_statement()?;
            return Ok(Some(declared));
        }
        if self.take("if") {
            let test = self.in_brackets()?;
            let then = self.body()?;
            let otherwise = if self.take("else") { Some(Box::new(self.body()?)) } else { None };
            return Ok(Some(Statement::If(test, Box::new(then), otherwise)));
        }
        if self.take("while") {
            let test = self.in_brackets()?;
            return Ok(Some(Statement::While(test, Box::new(self.body()?))));
        }
        if self.take("for") {
            return self.for_loop().map(Some);
        }
        for (word, statement) in [("break", Statement::Break), ("continue", Statement::Continue)] {
            if self.take(word) {
                self.end_of_statement()?;
                return Ok(Some(statement));
            }
        }
        let expression = self.expression()?;
        self.end_of_statement()?;
        Ok(Some(Statement::Expression(expression)))
    }

    fn body(&mut self) -> Read<Statement> {
        Ok(self.statement()?.unwrap_or(Statement::Block(Vec::new())))
    }

    fn in_brackets(&mut self) -> Read<Expression> {
        self.must("(")?;
        let inside = self.expression()?;
        self.must(")")?;
        Ok(inside)
    }

    fn declarations(&mut self) -> Read<Statement> {
        let mut declared = Vec::new();
        loop {
            let name = self.name()?;
            let value = if self.take("=") { Some(self.assignment()?) } else { None };
            declared.push((name, value));
            if !self.take(",") {
                return Ok(Statement::Var(declared));
            }
        }
    }

    fn for_loop(&mut self) -> Read<Statement> {
        self.must("(")?;
        let first = if self.take(";") {
            None
        } else {
            let first = if self.take("var") { self.declarations()? } else { Statement::Expression(self.expression()?) };
            self.must(";")?;
            Some(Box::new(first))
        };
        let test = if *self.peek() == Token::Sign(";") { None } else { Some(self.expression()?) };
        self.must(";")?;
        let step = if *self.peek() == Token::Sign(")") { None } else { Some(self.expression()?) };
        self.must(")")?;
        Ok(Statement::For { first, test, step, body: Box::new(self.body()?) })
    }

    /// A node over others.
    fn node(&self, kind: Kind, below: &[usize]) -> Read<Expression> {
        let depth = below.iter().max().map_or(0, |most| most + 1);
        if depth > MAX_DEPTH {
            return self.wrong("an expression of too many parts");
        }
        Ok(Expression { kind: Box::new(kind), depth })
    }

    fn expression(&mut self) -> Read<Expression> {
        let mut left = self.assignment()?;
        while self.take(",") {
            let right = self.assignment()?;
            let below = [left.depth, right.depth];
            left = self.node(Kind::Sequence(left, right), &below)?;
        }
        Ok(left)
    }

    fn assignment(&mut self) -> Read<Expression> {
        self.deeper(|parser| parser.one_assignment())
    }

    fn one_assignment(&mut self) -> Read<Expression> {
        let left = self.conditional()?;
        let Some((_, operator)) = ASSIGNMENTS.iter().find(|(sign, _)| *self.peek() == Token::Sign(sign)) else {
            return Ok(left);
        };
        if !matches!(*left.kind, Kind::Name(_) | Kind::Member(..)) {
            return self.wrong("what is left of it can't be assigned to");
        }
        self.advance();
        let right = self.assignment()?;
        let below = [left.depth, right.depth];
        self.node(Kind::Assign(left, *operator, right), &below)
    }

    fn conditional(&mut self) -> Read<Expression> {
        let test = self.or()?;
        if !self.take("?") {
            return Ok(test);
        }
        let then = self.assignment()?;
        self.must(":")?;
        let otherwise = self.assignment()?;
        let below = [test.depth, then.depth, otherwise.depth];
        self.node(Kind::Conditional(test, then, otherwise), &below)
    }

    fn or(&mut self) -> Read<Expression> {
        let mut left = self.and()?;
        while self.take("||") {
            let right = self.and()?;
            let below = [left.depth, right.depth];
            left = self.node(Kind::Or(left, right), &below)?;
        }
        Ok(left)
    }

    fn and(&mut self) -> Read<Expression> {
        let mut left = self.binary(0)?;
        while self.take("&&") {
            let right = self.binary(0)?;
            let below = [left.depth, right.depth];
            left = self.node(Kind::And(left, right), &below)?;
        }
        Ok(left)
    }

    fn binary(&mut self, level: usize) -> Read<Expression> {
        let Some(operators) = LEVELS.get(level) else { return self.unary() };
        let mut left = self.binary(level + 1)?;
        loop {
            let Some((_, operator)) = operators.iter().find(|(sign, _)| self.take(sign)) else { return Ok(left) };
            let right = self.binary(level + 1)?;
            let below = [left.depth, right.depth];
            left = self.node(Kind::Binary(*operator, left, right), &below)?;
        }
    }

    fn unary(&mut self) -> Read<Expression> {
        for (sign, by) in [("++", 1.0), ("--", -1.0)] {
            if self.take(sign) {
                let target = self.deeper(Self::unary)?;
                return self.step(target, by, false);
            }
        }
        for (sign, operator) in [
            ("!", Unary::Not),
            ("-", Unary::Minus),
            ("+", Unary::Plus),
            ("typeof", Unary::TypeOf),
            ("void", Unary::Void),
            ("delete", Unary::Delete),
        ] {
            if self.take(sign) {
                let of = self.deeper(Self::unary)?;
                let below = [of.depth];
                return self.node(Kind::Unary(operator, of), &below);
            }
        }
        let of = self.postfix()?;
        if !self.placed().after_line {
            for (sign, by) in [("++", 1.0), ("--", -1.0)] {
                if self.take(sign) {
                    return self.step(of, by, true);
                }
            }
        }
        Ok(of)
    }

    fn step(&self, target: Expression, by: f64, after: bool) -> Read<Expression> {
        if !matches!(*target.kind, Kind::Name(_) | Kind::Member(..)) {
            return self.wrong("what is counted can't be assigned to");
        }
        let below = [target.depth];
        self.node(Kind::Step { target, by, after }, &below)
    }

    fn postfix(&mut self) -> Read<Expression> {
        let mut of = self.primary()?;
        loop {
            if self.take(".") {
                // Keywords are names here.
                let Token::Name(name) = self.peek().clone() else { return self.unexpected() };
                self.advance();
                let name = self.node(Kind::Text(name), &[])?;
                let below = [of.depth];
                of = self.node(Kind::Member(of, name), &below)?;
            } else if self.take("[") {
                let index = self.expression()?;
                self.must("]")?;
                let below = [of.depth, index.depth];
                of = self.node(Kind::Member(of, index), &below)?;
            } else if self.take("(") {
                let (arguments, mut below) = self.list(")")?;
                below.push(of.depth);
                of = self.node(Kind::Call(of, arguments), &below)?;
            } else {
                return Ok(of);
            }
        }
    }

    /// Expressions up to a closing bracket.
    fn list(&mut self, close: &str) -> Read<(Vec<Expression>, Vec<usize>)> {
        let mut found = Vec::new();
        while !self.take(close) {
            found.push(self.assignment()?);
            if !self.take(",") {
                self.must(close)?;
                break;
            }
        }
        let depths = found.iter().map(|expression| expression.depth).collect();
        Ok((found, depths))
    }

    fn primary(&mut self) -> Read<Expression> {
        if self.take("(") {
            let inside = self.expression()?;
            self.must(")")?;
            return Ok(inside);
        }
        if self.take("[") {
            let (members, below) = self.list("]")?;
            return self.node(Kind::Array(members), &below);
        }
        if self.take("{") {
            return self.object();
        }
        if self.take("new") {
            let name = self.name()?;
            let (arguments, below) = if self.take("(") { self.list(")")? } else { (Vec::new(), Vec::new()) };
            return self.node(Kind::New(name, arguments), &below);
        }
        let kind = match self.peek().clone() {
            Token::Number(number) => Kind::Number(number),
            Token::Text(text) => Kind::Text(text),
            Token::Name(name) => match name.as_str() {
                "true" => Kind::Bool(true),
                "false" => Kind::Bool(false),
                "null" => Kind::Null,
                "undefined" => Kind::Undefined,
                _ => Kind::Name(self.name()?),
            },
            Token::Sign(_) | Token::End => return self.unexpected(),
        };
        if !matches!(kind, Kind::Name(_)) {
            self.advance();
        }
        self.node(kind, &[])
    }

    fn object(&mut self) -> Read<Expression> {
        let mut properties = Vec::new();
        while !self.take("}") {
            let name = match self.peek().clone() {
                Token::Name(name) | Token::Text(name) => name,
                Token::Number(number) => number.to_string(),
                Token::Sign(_) | Token::End => return self.unexpected(),
            };
            self.advance();
            self.must(":")?;
            properties.push((name, self.assignment()?));
            if !self.take(",") {
                self.must("}")?;
                break;
            }
        }
        let below: Vec<usize> = properties.iter().map(|(_, value)| value.depth).collect();
        self.node(Kind::Object(properties), &below)
    }
}
