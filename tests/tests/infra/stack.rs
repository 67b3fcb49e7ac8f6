//! A template with its parameters filled in: what CloudFormation would make, as far as the rules ask.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};

pub(crate) const ACCOUNT: &str = "123456789012";
pub(crate) const REGION: &str = "eu-central-1";
pub(crate) const FUNCTION: [&str; 2] = ["AWS::Serverless::Function", "AWS::Lambda::Function"];
/// The intrinsics that templates keep to, so that everything that reads them can.
pub(crate) const PLAIN: [&str; 9] =
    ["Ref", "Condition", "Fn::GetAtt", "Fn::Sub", "Fn::If", "Fn::Equals", "Fn::Not", "Fn::And", "Fn::Join"];

/// A resource whose condition holds, with values for intrinsics.
#[derive(Clone, Debug)]
pub(crate) struct Resource {
    pub(crate) id: String,
    pub(crate) kind: String,
    /// The whole of it, `Properties` and what is beside them.
    pub(crate) body: Value,
}

impl Resource {
    /// A property by its JSON pointer without the first slash; null when it is not there.
    pub(crate) fn get(&self, path: &str) -> &Value {
        self.body.pointer(&format!("/Properties/{path}")).unwrap_or(&Value::Null)
    }
}

/// The stack that a template and parameters make.
#[derive(Debug)]
pub(crate) struct Stack {
    pub(crate) resources: Vec<Resource>,
    pub(crate) outputs: Map<String, Value>,
    /// References to resources that are not in this stack.
    pub(crate) dangling: BTreeSet<String>,
}

impl Stack {
    pub(crate) fn new(template: &Value, name: &str, parameters: &[(&str, &str)]) -> Self {
        let mut evaluation = Evaluation { template, name, parameters: BTreeMap::new(), dangling: BTreeSet::new() };
        for (parameter, declared) in fields(&template["Parameters"]) {
            let given = parameters.iter().find(|(name, _)| name == parameter).map(|(_, value)| json!(value));
            let value = given.unwrap_or_else(|| declared["Default"].clone());
            evaluation.parameters.insert(parameter.clone(), text(&value));
        }
        let mut resources = Vec::new();
        for (id, declared) in fields(&template["Resources"]) {
            if evaluation.is_wanted(declared) {
                let body = evaluation.value(declared).unwrap_or_default();
                resources.push(Resource { id: id.clone(), kind: text(&declared["Type"]), body });
            }
        }
        let mut outputs = Map::new();
        for (id, declared) in fields(&template["Outputs"]) {
            if evaluation.is_wanted(declared) {
                outputs.insert(id.clone(), evaluation.value(&declared["Value"]).unwrap_or_default());
            }
        }
        let mappings = resources.iter().flat_map(mappings_of).collect::<Vec<_>>();
        resources.extend(mappings);
        Self { resources, outputs, dangling: evaluation.dangling }
    }

    pub(crate) fn of<'a>(&'a self, kinds: &'a [&'a str]) -> impl Iterator<Item = &'a Resource> {
        self.resources.iter().filter(move |resource| kinds.contains(&resource.kind.as_str()))
    }

    /// The resource of this name, or one without anything in it.
    pub(crate) fn resource(&self, id: &str) -> Resource {
        let found = self.resources.iter().find(|resource| resource.id == id).cloned();
        found.unwrap_or_else(|| Resource { id: id.to_owned(), kind: String::new(), body: Value::Null })
    }
}

/// What `AWS::Serverless::Function` calls events of SQS, as the resources that they become.
fn mappings_of(function: &Resource) -> Vec<Resource> {
    let events = fields(function.get("Events")).filter(|(_, event)| event["Type"] == "SQS");
    let mapping = |(id, event): (&String, &Value)| {
        let mut properties = event["Properties"].clone();
        properties["EventSourceArn"] = properties["Queue"].take();
        properties["FunctionName"] = json!(format!("<{}>", function.id));
        let kind = "AWS::Lambda::EventSourceMapping".to_owned();
        Resource { id: format!("{}{id}", function.id), kind, body: json!({ "Properties": properties }) }
    };
    events.map(mapping).collect()
}

struct Evaluation<'a> {
    template: &'a Value,
    name: &'a str,
    parameters: BTreeMap<String, String>,
    dangling: BTreeSet<String>,
}

impl Evaluation<'_> {
    fn is_wanted(&mut self, declared: &Value) -> bool {
        declared["Condition"].as_str().is_none_or(|condition| self.condition(condition))
    }

    fn condition(&mut self, name: &str) -> bool {
        let template = self.template;
        self.is_true(&template["Conditions"][name])
    }

    fn is_true(&mut self, condition: &Value) -> bool {
        let Some((function, argument)) = intrinsic(condition) else { return false };
        match function {
            "Condition" => self.condition(&text(argument)),
            "Fn::Not" => !self.is_true(&argument[0]),
            "Fn::And" => argument.as_array().is_some_and(|all| all.iter().all(|one| self.is_true(one))),
            "Fn::Equals" => {
                let side = |value: Option<Value>| value.as_ref().map(text);
                side(self.value(&argument[0])) == side(self.value(&argument[1]))
            }
            _ => false,
        }
    }

    /// `None` is `AWS::NoValue`.
    fn value(&mut self, value: &Value) -> Option<Value> {
        if let Some((function, argument)) = intrinsic(value) {
            return match function {
                "Ref" if argument == "AWS::NoValue" => None,
                "Ref" => Some(json!(self.reference(&text(argument)))),
                "Fn::GetAtt" => Some(json!(self.attribute(&text(&argument[0]), &text(&argument[1])))),
                "Fn::If" if self.condition(&text(&argument[0])) => self.value(&argument[1]),
                "Fn::If" => self.value(&argument[2]),
                "Fn::Sub" => Some(json!(self.substituted(&text(argument)))),
                "Fn::Join" => {
                    let parts = self.value(&argument[1]).unwrap_or_default();
                    let parts: Vec<_> = parts.as_array().into_iter().flatten().map(text).collect();
                    Some(json!(parts.join(&text(&argument[0]))))
                }
                other => Some(json!(format!("<{other}>"))),
            };
        }
        match value {
            Value::Array(items) => Some(items.iter().filter_map(|item| self.value(item)).collect()),
            Value::Object(fields) => {
                let each = fields.iter().filter_map(|(name, field)| Some((name.clone(), self.value(field)?)));
                Some(Value::Object(each.collect()))
            }
            other => Some(other.clone()),
        }
    }

    fn reference(&mut self, name: &str) -> String {
        let pseudo = match name {
            "AWS::AccountId" => Some(ACCOUNT),
            "AWS::Partition" => Some("aws"),
            "AWS::Region" => Some(REGION),
            "AWS::StackName" => Some(self.name),
            "AWS::URLSuffix" => Some("amazonaws.com"),
            _ => None,
        };
        if let Some(value) = pseudo.map(ToOwned::to_owned).or_else(|| self.parameters.get(name).cloned()) {
            return value;
        }
        let resource = self.existing(name);
        match resource["Type"].as_str() {
            Some("AWS::SQS::Queue") => {
                format!("https://sqs.{REGION}.amazonaws.com/{ACCOUNT}/{}", self.named(name, "QueueName"))
            }
            Some("AWS::S3::Bucket") => self.named(name, "BucketName"),
            _ => format!("<{name}>"),
        }
    }

    fn attribute(&mut self, name: &str, attribute: &str) -> String {
        let resource = self.existing(name);
        match (resource["Type"].as_str(), attribute) {
            (Some("AWS::SQS::Queue"), "QueueName") => self.named(name, "QueueName"),
            (Some("AWS::SQS::Queue"), "Arn") => {
                format!("arn:aws:sqs:{REGION}:{ACCOUNT}:{}", self.named(name, "QueueName"))
            }
            (Some("AWS::S3::Bucket"), "Arn") => format!("arn:aws:s3:::{}", self.named(name, "BucketName")),
            (Some("AWS::Logs::LogGroup"), "Arn") => format!("arn:aws:logs:{REGION}:{ACCOUNT}:log-group:<{name}>:*"),
            _ => format!("<{name}.{attribute}>"),
        }
    }

    /// The name that a property gives, or the one that CloudFormation would choose.
    fn named(&mut self, id: &str, property: &str) -> String {
        let template = self.template;
        let given = self.value(&template["Resources"][id]["Properties"][property]);
        match given {
            Some(Value::String(name)) => name,
            _ => format!("{}-{}-1a2b3c", self.name, id.to_lowercase()),
        }
    }

    fn existing(&mut self, name: &str) -> Value {
        let resource = self.template["Resources"][name].clone();
        if resource.is_null() || !self.is_wanted(&resource) {
            self.dangling.insert(name.to_owned());
        }
        resource
    }

    fn substituted(&mut self, pattern: &str) -> String {
        let mut filled = String::new();
        let mut rest = pattern;
        while let Some((before, after)) = rest.split_once("${") {
            let (name, after) = after.split_once('}').expect("a variable of Sub ends");
            filled.push_str(before);
            filled.push_str(&match name.split_once('.') {
                Some((resource, attribute)) => self.attribute(resource, attribute),
                None => self.reference(name),
            });
            rest = after;
        }
        filled + rest
    }
}

/// The function and its argument, if a value is an intrinsic.
pub(crate) fn intrinsic(value: &Value) -> Option<(&str, &Value)> {
    let fields = value.as_object()?;
    let (name, argument) = fields.iter().next()?;
    let known = name == "Ref" || name.starts_with("Fn::") || (name == "Condition" && argument.is_string());
    (fields.len() == 1 && known).then_some((name, argument))
}

/// The fields of an object, or none.
pub(crate) fn fields(value: &Value) -> impl Iterator<Item = (&String, &Value)> {
    value.as_object().into_iter().flatten()
}

/// One or many, as policies have it.
pub(crate) fn many(value: &Value) -> Vec<&Value> {
    match value {
        Value::Null => Vec::new(),
        Value::Array(items) => items.iter().collect(),
        one => vec![one],
    }
}

/// Text without quotes; whole numbers and booleans as they are written.
pub(crate) fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Null => String::new(),
        other => other.to_string(),
    }
}

/// The least and the greatest number that a declared value can have: a literal, or a parameter with its range.
pub(crate) fn bounds(template: &Value, value: &Value) -> Option<(u64, u64)> {
    let number = |value: &Value| value.as_u64().or_else(|| value.as_str()?.parse().ok());
    if let Some(literal) = number(value) {
        return Some((literal, literal));
    }
    let parameter = &template["Parameters"][value["Ref"].as_str()?];
    if let Some(allowed) = parameter["AllowedValues"].as_array() {
        let allowed: Vec<u64> = allowed.iter().filter_map(number).collect();
        return Some((*allowed.iter().min()?, *allowed.iter().max()?));
    }
    Some((number(&parameter["MinValue"])?, number(&parameter["MaxValue"])?))
}
