//! A script as it is run.

/// A script: statements in order.
#[derive(Debug, Clone, PartialEq, Default)]
pub(in crate::grammar) struct Script {
    pub(super) statements: Vec<Statement>,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Statement {
    Expression(Expression),
    Var(Vec<(String, Option<Expression>)>),
    If(Expression, Box<Self>, Option<Box<Self>>),
    While(Expression, Box<Self>),
    For { first: Option<Box<Self>>, test: Option<Expression>, step: Option<Expression>, body: Box<Self> },
    Block(Vec<Self>),
    Break,
    Continue,
}

/// An expression and how deep it is, so that no script runs out of stack.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Expression {
    pub(super) kind: Box<Kind>,
    pub(super) depth: usize,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Kind {
    Undefined,
    Null,
    Bool(bool),
    Number(f64),
    Text(String),
    Name(String),
    Array(Vec<Expression>),
    Object(Vec<(String, Expression)>),
    /// `of.name` or `of[index]`.
    Member(Expression, Expression),
    Call(Expression, Vec<Expression>),
    New(String, Vec<Expression>),
    Unary(Unary, Expression),
    Binary(Binary, Expression, Expression),
    And(Expression, Expression),
    Or(Expression, Expression),
    Conditional(Expression, Expression, Expression),
    /// With an operator for `+=` and its like.
    Assign(Expression, Option<Binary>, Expression),
    /// `++` and `--`: by how much, and whether the value is that before it.
    Step {
        target: Expression,
        by: f64,
        after: bool,
    },
    Sequence(Expression, Expression),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unary {
    Not,
    Minus,
    Plus,
    TypeOf,
    Void,
    Delete,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Binary {
    Add,
    Subtract,
    Multiply,
    Divide,
    Remainder,
    Equal,
    NotEqual,
    Same,
    NotSame,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    In,
}
