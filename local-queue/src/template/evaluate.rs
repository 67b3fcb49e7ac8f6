//! Parameters, conditions and intrinsic functions.

use std::{cell::RefCell, collections::BTreeMap};

use super::{
    Options, Problem,
    document::{Node, Value},
};
use crate::protocol::attributes::parse_flag;

/// Evaluations within evaluations: more is a circle.
const DEPTH_MAX: usize = 50;
/// Those that are evaluated, for refusals.
const SUPPORTED: &str = "Ref, Fn::GetAtt, Fn::Sub, Fn::If, Fn::Equals, Fn::Not, Fn::And, Fn::Or, Fn::Join, Fn::Select, \
                         Fn::Split, Fn::FindInMap and Condition";

/// A template with everything that its functions may name.
pub(super) struct TemplateContext<'a> {
    pub(super) root: &'a Node,
    pub(super) options: &'a Options,
    parameters: BTreeMap<&'a str, Node>,
    depth: RefCell<usize>,
}

impl<'a> TemplateContext<'a> {
    /// Reads the parameters; those that were given must be declared, and those without a default be given.
    pub(super) fn new(root: &'a Node, options: &'a Options) -> Result<Self, Vec<Problem>> {
        let mut problems = Vec::new();
        let mut parameters = BTreeMap::new();
        let declared = root.get("Parameters").map_or(&[][..], Node::entries);
        for (name, declaration) in declared {
            let given = options.parameters.get(name).map(|text| Node::text(declaration.line, text));
            let Some(value) = given.or_else(|| declaration.get("Default").cloned()) else {
                let text = format!("parameter {name} has no default; give it with --parameter {name}=VALUE");
                problems.push(Problem { line: declaration.line, logical_id: None, text });
                continue;
            };
            if let Err(text) = check_parameter(name, declaration, &value) {
                problems.push(Problem { line: declaration.line, logical_id: None, text });
            }
            parameters.insert(name.as_str(), value);
        }
        for name in options.parameters.keys().filter(|name| !parameters.contains_key(name.as_str())) {
            let known: Vec<_> = declared.iter().map(|(name, _)| name.as_str()).collect();
            let there_are =
                if known.is_empty() { "it has none".to_owned() } else { format!("there are {}", known.join(", ")) };
            let text = format!("there is no parameter {name}; {there_are}");
            problems.push(Problem { line: root.get("Parameters").map_or(1, |node| node.line), logical_id: None, text });
        }
        if problems.is_empty() { Ok(Self { root, options, parameters, depth: RefCell::new(0) }) } else { Err(problems) }
    }

    /// The resource with a logical id.
    pub(super) fn resource(&self, logical_id: &str) -> Option<&'a Node> {
        self.root.get("Resources")?.get(logical_id)
    }

    /// Whether a resource is created.
    pub(super) fn exists(&self, resource: &Node) -> Result<bool, Problem> {
        match resource.get("Condition") {
            Some(name) => self.condition(name),
            None => Ok(true),
        }
    }

    /// A node without functions; none for `AWS::NoValue`.
    pub(super) fn evaluate(&self, node: &Node) -> Result<Option<Node>, Problem> {
        *self.depth.borrow_mut() += 1;
        let result = if *self.depth.borrow() > DEPTH_MAX {
            Err(refused(node, "it goes round in a circle, or is nested too deep".to_owned()))
        } else {
            self.evaluate_at_depth(node)
        };
        *self.depth.borrow_mut() -= 1;
        result
    }

    fn evaluate_at_depth(&self, node: &Node) -> Result<Option<Node>, Problem> {
        let value = match &node.value {
            Value::Null | Value::Scalar { .. } => return Ok(Some(node.clone())),
            Value::List(list) => {
                let list = list.iter().filter_map(|node| self.evaluate(node).transpose());
                Value::List(list.collect::<Result<_, _>>()?)
            }
            Value::Map(entries) => {
                if let [(name, argument)] = entries.as_slice()
                    && (name == "Ref" || name == "Condition" || name.starts_with("Fn::"))
                {
                    return self.function(node, name, argument);
                }
                let entry = |(name, node): &(String, Node)| Ok(self.evaluate(node)?.map(|node| (name.clone(), node)));
                Value::Map(entries.iter().map(entry).filter_map(Result::transpose).collect::<Result<_, _>>()?)
            }
        };
        Ok(Some(Node { line: node.line, value }))
    }

    fn function(&self, node: &Node, name: &str, argument: &Node) -> Result<Option<Node>, Problem> {
        let text = |text: String| Ok(Some(Node::text(node.line, text)));
        let truth = |truth: bool| Ok(Some(Node::text(node.line, truth.to_string())));
        match name {
            "Ref" => match argument.as_text() {
                Some("AWS::NoValue") => Ok(None),
                Some(target) => self.reference(node, target).map(Some),
                None => Err(refused(node, "Ref takes a name".to_owned())),
            },
            "Condition" => truth(self.condition(argument)?),
            "Fn::GetAtt" => {
                let argument = self.required(argument)?;
                let parts = match (argument.as_text(), argument.as_list()) {
                    (Some(dotted), _) => dotted.split_once('.').map(|(id, name)| (id.to_owned(), name.to_owned())),
                    (_, Some([id, name])) => {
                        id.as_text().zip(name.as_text()).map(|(id, name)| (id.into(), name.into()))
                    }
                    _ => None,
                };
                let (id, attribute) =
                    parts.ok_or_else(|| refused(node, "Fn::GetAtt takes RESOURCE.ATTRIBUTE".to_owned()))?;
                text(self.attribute(node, &id, &attribute)?)
            }
            "Fn::Sub" => self.substitute(node, argument).map(|text| Some(Node::text(node.line, text))),
            "Fn::If" => {
                let [condition, yes, no] = arguments(node, name, argument)?;
                self.evaluate(if self.condition(condition)? { yes } else { no })
            }
            "Fn::Equals" => {
                let [one, other] = arguments(node, name, argument)?;
                truth(self.text(one)? == self.text(other)?)
            }
            "Fn::Not" => {
                let [one] = arguments(node, name, argument)?;
                truth(!self.truth(one)?)
            }
            "Fn::And" | "Fn::Or" => {
                let list = argument.as_list().ok_or_else(|| refused(node, format!("{name} takes a list")))?;
                let truths = list.iter().map(|node| self.truth(node)).collect::<Result<Vec<_>, _>>()?;
                truth(if name == "Fn::And" { truths.iter().all(|it| *it) } else { truths.contains(&true) })
            }
            "Fn::Join" => {
                let [separator, list] = arguments(node, name, argument)?;
                let list = self.required(list)?;
                let list = list.as_list().ok_or_else(|| refused(node, "Fn::Join joins a list".to_owned()))?;
                let parts = list.iter().map(|node| self.text(node)).collect::<Result<Vec<_>, _>>()?;
                text(parts.join(&self.text(separator)?))
            }
            "Fn::Split" => {
                let [separator, whole] = arguments(node, name, argument)?;
                let (separator, whole) = (self.text(separator)?, self.text(whole)?);
                let parts = whole.split(separator.as_str()).map(|part| Node::text(node.line, part));
                Ok(Some(Node { line: node.line, value: Value::List(parts.collect()) }))
            }
            "Fn::Select" => {
                let [index, list] = arguments(node, name, argument)?;
                let (index, list) = (self.text(index)?, self.required(list)?);
                let picked = index.parse::<usize>().ok().and_then(|index| list.as_list()?.get(index));
                let picked = picked.ok_or_else(|| refused(node, format!("Fn::Select finds nothing at {index}")))?;
                Ok(Some(picked.clone()))
            }
            "Fn::FindInMap" => {
                let [map, first, second] = arguments(node, name, argument)?;
                let (map, first, second) = (self.text(map)?, self.text(first)?, self.text(second)?);
                let found = self.root.get("Mappings").and_then(|all| all.get(&map)?.get(&first)?.get(&second));
                let missing = || refused(node, format!("Mappings has no {map}.{first}.{second}"));
                self.evaluate(found.ok_or_else(missing)?)
            }
            other => Err(refused(node, format!("{other} is not supported; supported are {SUPPORTED}"))),
        }
    }

    /// The name of a condition, or a condition itself.
    fn condition(&self, node: &Node) -> Result<bool, Problem> {
        let Some(name) = node.as_text() else { return self.truth(node) };
        let declared = self.root.get("Conditions").and_then(|conditions| conditions.get(name));
        self.truth(declared.ok_or_else(|| refused(node, format!("there is no condition {name}")))?)
    }

    fn truth(&self, node: &Node) -> Result<bool, Problem> {
        let text = self.text(node)?;
        parse_flag(&text).ok_or_else(|| refused(node, format!("expected a condition, found {text:?}")))
    }

    fn required(&self, node: &Node) -> Result<Node, Problem> {
        self.evaluate(node)?.ok_or_else(|| refused(node, "AWS::NoValue stands where a value is needed".to_owned()))
    }

    /// The text of a node that must be one value.
    pub(super) fn text(&self, node: &Node) -> Result<String, Problem> {
        let evaluated = self.required(node)?;
        let text = evaluated.as_text().map(ToOwned::to_owned);
        text.ok_or_else(|| refused(node, format!("expected one value, found {}", evaluated.kind())))
    }

    fn substitute(&self, node: &Node, argument: &Node) -> Result<String, Problem> {
        let (pattern, own) = match argument.as_list() {
            Some([pattern, own]) => (pattern, own.entries()),
            _ => (argument, &[][..]),
        };
        let takes = || refused(node, "Fn::Sub takes a text, or a list of a text and a mapping".to_owned());
        let mut rest = pattern.as_text().ok_or_else(takes)?;
        let mut text = String::new();
        while let Some((before, after)) = rest.split_once("${") {
            let unclosed = || refused(node, "Fn::Sub has a ${ without }".to_owned());
            let (name, after) = after.split_once('}').ok_or_else(unclosed)?;
            text.push_str(before);
            rest = after;
            if let Some(literal) = name.strip_prefix('!') {
                text.extend(["${", literal, "}"]);
                continue;
            }
            let name = name.trim();
            let value = match (own.iter().find(|(own, _)| own == name), name.split_once('.')) {
                (Some((_, value)), _) => self.text(value)?,
                (None, Some((id, attribute))) => self.attribute(node, id, attribute)?,
                (None, None) => {
                    let referred = self.reference(node, name)?;
                    referred.as_text().map(ToOwned::to_owned).ok_or_else(takes)?
                }
            };
            text.push_str(&value);
        }
        Ok(text + rest)
    }

    /// What `Ref` gives.
    fn reference(&self, node: &Node, target: &str) -> Result<Node, Problem> {
        let Options { region, account, stack_name, .. } = self.options;
        let pseudo = match target {
            "AWS::Region" => Some(region.clone()),
            "AWS::AccountId" => Some(account.clone()),
            "AWS::Partition" => Some("aws".to_owned()),
            "AWS::URLSuffix" => Some("amazonaws.com".to_owned()),
            "AWS::StackName" => Some(stack_name.clone()),
            "AWS::StackId" => Some(format!("arn:aws:cloudformation:{region}:{account}:stack/{stack_name}/local")),
            _ => None,
        };
        if let Some(text) = pseudo {
            return Ok(Node::text(node.line, text));
        }
        if let Some(value) = self.parameters.get(target) {
            return Ok(value.clone());
        }
        let resource = self.existing(node, target)?;
        let name = self.physical_name(target, resource)?;
        Ok(Node::text(node.line, if is_queue(resource) { self.queue_url(&name) } else { name }))
    }

    /// What `Fn::GetAtt` gives: ARNs, and the names of queues.
    fn attribute(&self, node: &Node, id: &str, attribute: &str) -> Result<String, Problem> {
        let Options { region, account, .. } = self.options;
        let resource = self.existing(node, id)?;
        let name = self.physical_name(id, resource)?;
        let kind = kind(resource);
        match (kind, attribute) {
            ("AWS::SQS::Queue", "Arn") => Ok(format!("arn:aws:sqs:{region}:{account}:{name}")),
            ("AWS::SQS::Queue", "QueueName") => Ok(name),
            ("AWS::SQS::Queue", "QueueUrl") => Ok(self.queue_url(&name)),
            ("AWS::S3::Bucket", "Arn") => Ok(format!("arn:aws:s3:::{name}")),
            ("AWS::Serverless::Function" | "AWS::Lambda::Function", "Arn") => {
                Ok(format!("arn:aws:lambda:{region}:{account}:function:{name}"))
            }
            ("AWS::SNS::Topic", "TopicArn") => Ok(format!("arn:aws:sns:{region}:{account}:{name}")),
            _ => Err(refused(node, format!("{id}.{attribute} is not known here ({id} is an {kind})"))),
        }
    }

    fn existing(&self, node: &Node, id: &str) -> Result<&'a Node, Problem> {
        let resource = self.resource(id);
        let resource = resource.ok_or_else(|| refused(node, format!("there is no parameter or resource {id}")))?;
        if self.exists(resource)? {
            return Ok(resource);
        }
        Err(refused(node, format!("resource {id} is left out by its condition")))
    }

    /// The name that a resource gets: its own, or one made of the stack's name and the logical id.
    ///
    /// CloudFormation adds twelve random characters to the latter, which a local stack would have to remember.
    pub(super) fn physical_name(&self, id: &str, resource: &Node) -> Result<String, Problem> {
        // Whoever refers to the resource, it is this one that is wrong, and wrong once.
        let of_resource =
            |problem: Problem| Problem { logical_id: problem.logical_id.or(Some(id.to_owned())), ..problem };
        self.name_of(id, resource).map_err(of_resource)
    }

    fn name_of(&self, id: &str, resource: &Node) -> Result<String, Problem> {
        let property = match kind(resource) {
            "AWS::SQS::Queue" => "QueueName",
            "AWS::S3::Bucket" => "BucketName",
            "AWS::Serverless::Function" | "AWS::Lambda::Function" => "FunctionName",
            "AWS::SNS::Topic" => "TopicName",
            "AWS::Logs::LogGroup" => "LogGroupName",
            _ => "Name",
        };
        let properties = resource.get("Properties");
        if let Some(name) = properties.and_then(|properties| properties.get(property))
            && let Some(name) = self.evaluate(name)?
        {
            let text = name.as_text().map(ToOwned::to_owned);
            return text.ok_or_else(|| refused(&name, format!("{property} takes a text, not {}", name.kind())));
        }
        let name = format!("{}-{id}", self.options.stack_name);
        Ok(match kind(resource) {
            "AWS::S3::Bucket" => name.to_lowercase(),
            "AWS::SQS::Queue" => {
                let fifo = properties.and_then(|properties| properties.get("FifoQueue"));
                let fifo = fifo.map(|fifo| self.truth(fifo)).transpose()?;
                if fifo == Some(true) { format!("{name}.fifo") } else { name }
            }
            _ => name,
        })
    }

    fn queue_url(&self, name: &str) -> String {
        format!("{}/{}/{name}", self.options.queue_url_base.trim_end_matches('/'), self.options.account)
    }
}

fn check_parameter(name: &str, declaration: &Node, value: &Node) -> Result<(), String> {
    let Some(text) = value.as_text() else { return Ok(()) };
    if let Some(allowed) = declaration.get("AllowedValues").and_then(Node::as_list) {
        let allowed: Vec<_> = allowed.iter().filter_map(Node::as_text).collect();
        if !allowed.contains(&text) {
            return Err(format!("parameter {name} is {text:?}; allowed are {}", allowed.join(", ")));
        }
    }
    if declaration.get("Type").and_then(Node::as_text) == Some("Number") {
        let number = text.parse::<f64>().map_err(|_| format!("parameter {name} is {text:?}; expected a number"))?;
        let bound = |key| declaration.get(key).and_then(Node::as_text).and_then(|text| text.parse::<f64>().ok());
        let (min, max) = (bound("MinValue"), bound("MaxValue"));
        if min.is_some_and(|min| number < min) || max.is_some_and(|max| number > max) {
            let bound = |bound: Option<f64>| bound.map_or_else(|| "any".to_owned(), |bound| bound.to_string());
            return Err(format!("parameter {name} is {text}; expected {} to {}", bound(min), bound(max)));
        }
    }
    Ok(())
}

fn arguments<'n, const N: usize>(node: &Node, name: &str, argument: &'n Node) -> Result<&'n [Node; N], Problem> {
    let list = argument.as_list().and_then(|list| list.try_into().ok());
    list.ok_or_else(|| refused(node, format!("{name} takes a list of {N}")))
}

/// The type of a resource.
pub(super) fn kind(resource: &Node) -> &str {
    resource.get("Type").and_then(Node::as_text).unwrap_or_default()
}

fn is_queue(resource: &Node) -> bool {
    kind(resource) == "AWS::SQS::Queue"
}

pub(super) fn refused(node: &Node, text: String) -> Problem {
    Problem { line: node.line, logical_id: None, text }
}
