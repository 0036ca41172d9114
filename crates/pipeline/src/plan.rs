//! The plan: what a checked pipeline means, as data. Decides nothing at run time and calls nobody.
//!
//! A plan is a graph of small operations. Every node has one type, and its value is the canonical bytes of that type; where a
//! value passes to a wider type there is an [`Op::Coerce`]. Nodes stand behind what they use. What runs when is said by
//! demand: a node that is demanded demands its operands, at once those that it certainly needs, the others when it is known that they are needed.

mod build;
mod early;
mod encode;
mod listing;
mod names;
mod operands;
mod renumber;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use type_schema::{CType, fingerprint};

use crate::diagnostic::Span;

pub use self::build::Builder;
pub use self::operands::Need;

/// A node of a [`Body`], by position.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct NodeId(pub u32);

/// A type of [`Plan::types`], by position.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TypeId(pub u32);

/// A module of [`Plan::modules`], by position.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ModuleId(pub u32);

/// A call site, unique in the plan: in the order in which the bodies list them. Names the site in records, events and pictures.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SiteId(pub u32);

/// A checked pipeline, ready to run. Immutable; share it behind an `Arc`.
#[derive(Debug, Clone, PartialEq)]
pub struct Plan {
    /// In declared order. As a module, the input is a record of them.
    pub inputs: Vec<Input>,
    /// In declared order. As a module, the output is a record of them.
    pub outputs: Vec<Output>,
    /// The types that occur, each once.
    pub types: Vec<CType>,
    /// The modules that may be called, each once, in order of first use.
    pub modules: Vec<PlannedModule>,
    /// The nodes outside lambdas. Holds only what some output may need.
    pub root: Body,
    /// How many call sites there are, lambdas included.
    pub sites: u32,
    /// The comment lines at the head of the source.
    pub description: String,
    /// SHA-256 over the canonical plan.
    pub hash: PlanHash,
}

/// The identity of a plan: 32 bytes, printed as hex.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PlanHash(pub [u8; 32]);

impl fmt::Display for PlanHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for PlanHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Plan {
    /// The type with that id.
    #[must_use]
    pub fn ctype(&self, ty: TypeId) -> &CType {
        &self.types[ty.0 as usize]
    }

    /// The inputs as one record, in declared order: the input type of the pipeline as a module.
    #[must_use]
    pub fn input_type(&self) -> CType {
        CType::record(self.inputs.iter().map(|input| (input.name.as_str(), self.ctype(input.ty).clone())))
    }

    /// The outputs as one record, in declared order: the output type of the pipeline as a module.
    #[must_use]
    pub fn output_type(&self) -> CType {
        let ty = |output: &Output| self.ctype(self.root.nodes[output.node.0 as usize].ty).clone();
        CType::record(self.outputs.iter().map(|output| (output.name.as_str(), ty(output))))
    }

    /// SHA-256 over both types as text, in hex: the fingerprint of the pipeline as a module.
    #[must_use]
    pub fn fingerprint(&self) -> String {
        fingerprint(&self.input_type(), &self.output_type())
    }
}

/// An input of a pipeline.
#[derive(Debug, Clone, PartialEq)]
pub struct Input {
    /// Its name.
    pub name: String,
    /// Its type; may be left out where it is an Option.
    pub ty: TypeId,
    /// Canonical bytes of the values of its `@example`s.
    pub examples: Vec<Bytes>,
    /// Where it is declared.
    pub span: Span,
}

/// An output of a pipeline.
#[derive(Debug, Clone, PartialEq)]
pub struct Output {
    /// Its name.
    pub name: String,
    /// Whose value it is.
    pub node: NodeId,
    /// Where it is declared.
    pub span: Span,
}

/// A module as the plan was checked against it.
#[derive(Debug, Clone, PartialEq)]
pub struct PlannedModule {
    /// Qualified name.
    pub name: Arc<str>,
    /// Fingerprint of its types. A run fails when the module has another one by then.
    pub fingerprint: Arc<str>,
    /// Type of the input.
    pub input: TypeId,
    /// Type of the output.
    pub output: TypeId,
    /// Whether it takes several inputs at once.
    pub batch: bool,
    /// Whether it may be called again after a failure that left its effect unknown.
    pub idempotent: bool,
    /// Language of its provider; empty where not known. No part of the hash.
    pub language: Arc<str>,
}

/// The nodes of a pipeline, or of a lambda.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Body {
    /// Each behind what it uses.
    pub nodes: Vec<Node>,
    /// The value of a lambda; of no meaning in [`Plan::root`].
    pub result: Option<NodeId>,
}

/// One operation.
#[derive(Debug, Clone, PartialEq)]
pub struct Node {
    /// What it does.
    pub op: Op,
    /// The type of its value.
    pub ty: TypeId,
    /// Where it is written. No part of the hash.
    pub span: Span,
    /// The binding whose value it is. No part of the hash.
    pub name: Option<Arc<str>>,
    /// Nodes of the same body that are certainly needed once this one is, beyond the operands that its operation always needs; e.g.
    /// what both arms of an `if` need. Filled in by the planner.
    pub early: Vec<NodeId>,
}

/// What a node does. Operands are nodes of the same body.
#[derive(Debug, Clone, PartialEq)]
pub enum Op {
    /// The input at this position; only in [`Plan::root`].
    Input(u32),
    /// The parameter of the lambda at this position; only in a lambda.
    Param(u32),
    /// A node of the enclosing body; only in a lambda. Demanded when it is needed, like any operand.
    Capture(NodeId),
    /// Canonical bytes.
    Literal(Bytes),
    /// The same value in a wider type (`type_schema::Transcoder`).
    Coerce(NodeId),
    /// A record of these fields; the node's type is a record of exactly these names.
    Record(Vec<(String, NodeId)>),
    /// A list of these items, all of the item type.
    List(Vec<NodeId>),
    /// A field of a record. An absent Option field is None.
    Field(NodeId, String),
    /// Some fields of a record: those of the node's type.
    Project(NodeId),
    /// Fields of both records, the right side wins.
    Merge(NodeId, NodeId),
    /// [`Op::Field`] of each record of a list.
    FieldEach(NodeId, String),
    /// [`Op::Project`] of each record of a list.
    ProjectEach(NodeId),
    /// [`Op::Merge`] of each record of a list (left) with one record (right).
    MergeEach(NodeId, NodeId),
    /// Arithmetic on two Ints or two Floats; the node's type says which.
    Arithmetic(Arithmetic, NodeId, NodeId),
    /// Order of two Ints, Floats or Strings.
    Order(Order, NodeId, NodeId),
    /// Whether two values of one type are equal (`true`) or differ (`false`): IEEE 754 for Floats, bytes for all else.
    Equal(bool, NodeId, NodeId),
    /// The other Bool.
    Not(NodeId),
    /// `left and right`: the right side is needed only when the left is true.
    And(NodeId, NodeId),
    /// `left or right`: the right side is needed only when the left is false.
    Or(NodeId, NodeId),
    /// Strings one after the other: interpolation, its values made Strings by [`StdFn::ToString`].
    Concat(Vec<NodeId>),
    /// One of two values of the node's type.
    If {
        /// A Bool.
        condition: NodeId,
        /// Needed when it is true.
        then: NodeId,
        /// Needed when it is false.
        otherwise: NodeId,
    },
    /// `value when condition`: an Option; the value is needed only when the condition is true.
    When {
        /// What it is, if it is.
        value: NodeId,
        /// A Bool.
        condition: NodeId,
    },
    /// `value ?? default`: the default, of the node's type, is needed only when the value is None.
    Coalesce {
        /// An Option. A value in it is of the node's type, or of its inside where the node's type is an Option.
        value: NodeId,
        /// What stands in for None.
        default: NodeId,
    },
    /// The value of the first arm whose test holds; the last arm always does, or the tests leave no case out.
    Match {
        /// A union, an Option or an Any, or whatever else when the only test is [`Test::Always`].
        subject: NodeId,
        /// In order; each value of the node's type.
        arms: Vec<(Test, NodeId)>,
    },
    /// What a subject is once a test held: the value of a union's only remaining variant, the union of the remaining variants
    /// in the node's type, the value in an Option, the Any as what it was tested to be. In an arm alone.
    Narrow {
        /// The subject of the match.
        subject: NodeId,
        /// The test of the arm.
        test: Test,
    },
    /// A function of the standard library.
    Std(StdFn, Vec<NodeId>),
    /// A function of the standard library that takes a lambda.
    Each(Box<Each>),
    /// A call of a module.
    Call(Box<Call>),
    /// What stands in for the failure of one call. Catches the failure of that very node and of no other.
    Guard(Box<Guard>),
}

/// When an arm of a match is taken.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Test {
    /// The union holds one of these variants, ascending.
    Variants(Vec<u32>),
    /// The Option holds a value.
    Some,
    /// The Any holds a value of this type (`Schema::validate`).
    Fits(TypeId),
    /// In any case.
    Always,
}

/// `+ - * /`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Arithmetic {
    /// `+`
    Add,
    /// `-`
    Subtract,
    /// `*`
    Multiply,
    /// `/`; truncates on Ints.
    Divide,
    /// `modulo`; the sign of the dividend.
    Modulo,
}

/// `< <= > >=`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Order {
    /// `<`
    Less,
    /// `<=`
    LessEqual,
    /// `>`
    Greater,
    /// `>=`
    GreaterEqual,
}

/// The functions of the standard library that are no operator and take no lambda. What each gives depends on its operands' types.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum StdFn {
    /// The greater of two numbers of one type.
    Max,
    /// The lesser of two numbers of one type.
    Min,
    /// The number without its sign.
    Abs,
    /// The number with the other sign.
    Negate,
    /// Float to the nearest Int, halves away from zero.
    Round,
    /// How many characters (Unicode scalar values) a String has.
    StringLength,
    /// Strings of a list with a separator between them.
    Join,
    /// The parts of a String between the occurrences of a substring; trailing empty parts are kept.
    Split,
    /// Whether a String has a substring.
    Contains,
    /// A String without white space at its ends.
    Trim,
    /// A String with each occurrence of a target replaced.
    Replace,
    /// How many items a list has.
    ListLength,
    /// The first item; fails on an empty list.
    ListFirst,
    /// The last item; fails on an empty list.
    ListLast,
    /// Whether a list is empty.
    ListIsEmpty,
    /// The sum of a list of Ints or of Floats.
    ListSum,
    /// The items of both lists.
    ListConcat,
    /// Whether a list has an item that equals a value.
    ListContains,
    /// The items from last to first.
    ListReverse,
    /// A scalar as text.
    ToString,
    /// Float to Int, towards zero; fails outside Int.
    ToInt,
    /// Int to Float.
    ToFloat,
    /// A String as it is, which also goes to the log.
    Log,
}

/// `filter`, `map`, `all`, `any`, `sort-by`, `fold`.
#[derive(Debug, Clone, PartialEq)]
pub struct Each {
    /// Which.
    pub kind: EachKind,
    /// The list.
    pub list: NodeId,
    /// The start of a fold.
    pub initial: Option<NodeId>,
    /// Parameters: the item; of a fold, what came so far and the item.
    pub body: Body,
    /// Elements at once, the least `concurrency` of the calls in the body; `None` leaves it to the host.
    pub concurrency: Option<u32>,
}

/// What is done with each item.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum EachKind {
    /// Keep those for which the body is true.
    Filter,
    /// What the body makes of each.
    Map,
    /// Whether the body is true of all. Elements behind the first that decides are not needed, though they may have begun.
    All,
    /// Whether the body is true of some. As [`EachKind::All`].
    Any,
    /// Ascending by the Int, Float or String that the body gives; stable.
    SortBy,
    /// One after the other.
    Fold,
}

/// A call of a module.
#[derive(Debug, Clone, PartialEq)]
pub struct Call {
    /// Its site.
    pub site: SiteId,
    /// Which module.
    pub module: ModuleId,
    /// A value of the module's input type.
    pub input: NodeId,
    /// How.
    pub policy: Policy,
}

/// How a module is called: the options that the host carries out. Order, from the inside out: timeout, retry, batch, cache, throttle and concurrency,
/// priority.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Policy {
    /// Time of each attempt.
    pub timeout: Option<Duration>,
    /// Extra attempts.
    pub retry: u32,
    /// Time before the first extra attempt.
    pub delay: Option<Duration>,
    /// How that time grows.
    pub backoff: Backoff,
    /// How long an output is kept.
    pub cache: Option<Duration>,
    /// In which cache; `None` for the default one.
    pub cache_backend: Option<String>,
    /// Calls in a time.
    pub throttle: Option<Rate>,
    /// Calls at once.
    pub concurrency: Option<u32>,
    /// 0 to 100 as a rule, more is earlier: background 0, low 20, normal 50, high 80, critical 100. `None` is normal.
    pub priority: Option<i32>,
    /// Most calls in one batch.
    pub batch: Option<u32>,
    /// Longest time that a call waits for a batch to fill.
    pub batch_timeout: Option<Duration>,
}

/// How the time between attempts grows. With jitter, at most 30 s.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Backoff {
    /// Always the same.
    #[default]
    Fixed,
    /// Once, twice, three times…
    Linear,
    /// Once, twice, four times…
    Exponential,
}

/// So many in a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Rate {
    /// How many; at least 1.
    pub count: u32,
    /// In which time; more than zero.
    pub per: Duration,
}

/// What stands in for a failure.
#[derive(Debug, Clone, PartialEq)]
pub struct Guard {
    /// The call, or function of the standard library.
    pub value: NodeId,
    /// Needed only on failure; of the node's type, or of the inside of `ok` where the failure is wrapped.
    pub fallback: Option<NodeId>,
    /// What happens when there is no fallback, or the fallback itself fails.
    pub on_error: OnError,
}

/// What becomes of a failure.
#[derive(Debug, Clone, PartialEq)]
pub enum OnError {
    /// It ends the run.
    Propagate,
    /// The value is this: the zero value of the type, canonical.
    Skip(Bytes),
    /// The same, with a line in the log.
    Log(Bytes),
    /// The node's type is `{ok: T} | {error: ErrorInfo}`: position 0 or 1.
    Wrap,
}
