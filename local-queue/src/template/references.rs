//! What `Ref` and `Fn::GetAtt` give.

use super::{
    Diagnostic, Options,
    document::{Yaml, YamlData, kind, refused},
    evaluate::{TemplateContext, Text},
    made_by_sam::IMPLICIT_APIS,
    resources::{self, Reference},
};

impl<'a> TemplateContext<'a> {
    /// What `Ref` gives.
    pub(super) fn reference(&self, node: &Yaml, target: &str) -> Result<Yaml, Diagnostic> {
        let Options { region, account, stack_name, .. } = self.options;
        let pseudo = match target {
            "AWS::Region" => Some(region.clone()),
            "AWS::AccountId" => Some(account.clone()),
            "AWS::Partition" => Some("aws".to_owned()),
            "AWS::URLSuffix" => Some("amazonaws.com".to_owned()),
            "AWS::StackName" => Some(stack_name.clone()),
            "AWS::StackId" => Some(format!("arn:aws:cloudformation:{region}:{account}:stack/{stack_name}/local")),
            "AWS::NotificationARNs" => {
                let arns = self.options.notification_arns.iter().map(|arn| Yaml::text(node.line, arn));
                return Ok(Yaml { line: node.line, data: YamlData::List(arns.collect()) });
            }
            _ => None,
        };
        if let Some(text) = pseudo {
            return Ok(Yaml::text(node.line, text));
        }
        if let Some(value) = self.parameters.get(target) {
            return Ok(Yaml { line: node.line, data: value.data.clone() });
        }
        if self.resource(target).is_none()
            && let Some(found) = self.made_by_sam(node, target)?
        {
            return Ok(found);
        }
        let resource = self.existing(node, target)?;
        if let Some(found) = self.api_reference(node, target, resource)? {
            return Ok(found);
        }
        match kind(resource) {
            "AWS::SQS::Queue" => Ok(Yaml::text(node.line, self.queue_url(&self.physical_name(target, resource)?))),
            "AWS::Lambda::Alias" | "AWS::Lambda::Version" => self.qualified(node, resource),
            _ => match resources::find(kind(resource)).map(|known| known.reference) {
                Some(Reference::Name) => Ok(self.name_of(target, resource)?.into_node(node.line)),
                Some(Reference::Arn) => self.arn(node, target, resource),
                None => Ok(Yaml::unknown(node.line, target, &format!(" ({target} is an {})", kind(resource)))),
            },
        }
    }

    pub(super) fn get_attribute(&self, node: &Yaml, argument: &Yaml) -> Result<Yaml, Diagnostic> {
        let argument = self.evaluate(argument)?.unwrap_or_else(|| argument.clone());
        let parts = match (argument.as_text(), argument.as_list()) {
            (Some(dotted), _) => dotted.split_once('.').map(|(id, name)| (id.to_owned(), name.to_owned())),
            (_, Some([id, name])) => id.as_text().zip(name.as_text()).map(|(id, name)| (id.into(), name.into())),
            _ => None,
        };
        let (id, attribute) = parts.ok_or_else(|| refused(node, "Fn::GetAtt takes RESOURCE.ATTRIBUTE".to_owned()))?;
        self.attribute(node, &id, &attribute)
    }

    /// What `Fn::GetAtt` gives.
    pub(super) fn attribute(&self, node: &Yaml, id: &str, attribute: &str) -> Result<Yaml, Diagnostic> {
        let full = format!("{id}.{attribute}");
        // In Fn::Sub, SAM's own references look like attributes.
        if let Some(found) = self.made_of_api(node, &full)? {
            return Ok(found);
        }
        if self.resource(id).is_none() && self.is_made_by_sam(id) {
            return Ok(Yaml::unknown(node.line, &full, " (SAM makes it)"));
        }
        let resource = self.existing(node, id)?;
        if let Some(found) = self.api_attribute(node, id, kind(resource), attribute) {
            return Ok(found);
        }
        match (kind(resource), attribute) {
            ("AWS::SQS::Queue", "QueueUrl") => self.reference(node, id),
            ("AWS::Serverless::Application" | "AWS::CloudFormation::Stack", output)
                if output.starts_with("Outputs.") =>
            {
                self.output(node, id, resource, output.trim_start_matches("Outputs."))
            }
            ("AWS::Lambda::Alias", "AliasArn") => self.qualified(node, resource),
            // In Fn::Sub, SAM's own references look like attributes.
            ("AWS::Serverless::Function", "Alias" | "Version") => {
                let found = self.made_by_sam(node, &full)?;
                found.ok_or_else(|| refused(node, format!("{id} has no AutoPublishAlias")))
            }
            (kind, attribute) => match resources::find(kind) {
                Some(known) if known.arns.contains(&attribute) => self.arn(node, id, resource),
                Some(known) if known.names.contains(&attribute) => Ok(self.name_of(id, resource)?.into_node(node.line)),
                _ if matches!(kind, "AWS::SQS::Queue") => {
                    let text = format!("{id} has no attribute {attribute}; a queue has Arn, QueueName and QueueUrl");
                    Err(refused(node, text))
                }
                _ => Ok(Yaml::unknown(node.line, &full, &format!(" ({id} is an {kind})"))),
            },
        }
    }

    fn arn(&self, node: &Yaml, id: &str, resource: &Yaml) -> Result<Yaml, Diagnostic> {
        let Options { region, account, .. } = self.options;
        let Text { text, unknown } = self.name_of(id, resource)?;
        let text = resources::find(kind(resource)).map(|known| known.arn(region, account, &text)).unwrap_or_default();
        Ok(Text { text, unknown }.into_node(node.line))
    }

    fn function_arn(&self, name: &str) -> String {
        let Options { region, account, .. } = self.options;
        format!("arn:aws:lambda:{region}:{account}:function:{name}")
    }

    /// The ARN of an alias or a version, of which each function has one here.
    fn qualified(&self, node: &Yaml, resource: &Yaml) -> Result<Yaml, Diagnostic> {
        let properties = resource.get("Properties");
        let own = |name: &str| {
            let own = properties.and_then(|properties| properties.get(name));
            own.ok_or_else(|| refused(resource, format!("it has no {name}")))
        };
        let function = self.part(own("FunctionName")?)?;
        let qualifier = if kind(resource) == "AWS::Lambda::Alias" { self.text(own("Name")?)? } else { "1".to_owned() };
        let name = function.text.rsplit("function:").next().unwrap_or_default();
        let text = format!("{}:{qualifier}", self.function_arn(name));
        Ok(Text { text, unknown: function.unknown }.into_node(node.line))
    }

    /// What a name refers to that SAM adds to a template: versions and aliases of functions; others are not known here.
    fn made_by_sam(&self, node: &Yaml, target: &str) -> Result<Option<Yaml>, Diagnostic> {
        if let Some(found) = self.made_of_api(node, target)?.filter(|_| self.is_made_by_sam(target)) {
            return Ok(Some(found));
        }
        let all = self.root.get("Resources").map_or(&[][..], Yaml::entries);
        for (id, resource) in all.iter().filter(|(_, resource)| kind(resource) == "AWS::Serverless::Function") {
            let Some(rest) = target.strip_prefix(id.as_str()) else { continue };
            let Some(alias) = self.auto_publish_alias(resource)? else { continue };
            let qualifier = match rest {
                ".Version" => "1",
                ".Alias" => alias.as_str(),
                _ if rest.strip_prefix("Alias") == Some(&alias) => alias.as_str(),
                _ => continue,
            };
            let name = self.physical_name(id, resource)?;
            return Ok(Some(Yaml::text(node.line, self.function_arn(&format!("{name}:{qualifier}")))));
        }
        Ok(self.is_made_by_sam(target).then(|| Yaml::unknown(node.line, target, " (SAM makes it)")))
    }

    pub(super) fn is_made_by_sam(&self, target: &str) -> bool {
        let all = self.root.get("Resources").map_or(&[][..], Yaml::entries);
        let mut sam = all.iter().filter(|(_, resource)| kind(resource).starts_with("AWS::Serverless::")).peekable();
        sam.peek().is_some() && IMPLICIT_APIS.iter().any(|api| target.starts_with(api))
            || sam.any(|(id, _)| target.strip_prefix(id.as_str()).is_some_and(|rest| !rest.is_empty()))
    }

    /// The alias under which SAM publishes a function, and at which its mappings aim.
    pub(super) fn auto_publish_alias(&self, resource: &Yaml) -> Result<Option<String>, Diagnostic> {
        let globals = self.root.get("Globals").and_then(|globals| globals.get("Function"));
        let own = [resource.get("Properties"), globals];
        let alias = own.into_iter().flatten().find_map(|properties| properties.get("AutoPublishAlias"));
        let alias = alias.map_or(Ok(None), |alias| self.evaluate(alias))?;
        Ok(alias.and_then(|alias| alias.as_text().map(ToOwned::to_owned)))
    }

    pub(super) fn existing(&self, node: &Yaml, id: &str) -> Result<&'a Yaml, Diagnostic> {
        let resource = self.resource(id);
        let resource = resource.ok_or_else(|| refused(node, format!("there is no parameter or resource {id}")))?;
        if self.exists(resource)? {
            return Ok(resource);
        }
        Err(refused(node, format!("resource {id} is left out by its condition")))
    }

    /// The name that a resource gets: its own, or one made of the stack's name and the logical id.
    pub(super) fn physical_name(&self, id: &str, resource: &Yaml) -> Result<String, Diagnostic> {
        match self.name_of(id, resource)? {
            Text { text, unknown: None } => Ok(text),
            Text { unknown: Some(what), .. } => {
                let text = format!("its name expects a string, not {what}");
                Err(Diagnostic { logical_id: Some(id.to_owned()), ..refused(resource, text) })
            }
        }
    }

    fn name_of(&self, id: &str, resource: &Yaml) -> Result<Text, Diagnostic> {
        // Whoever refers to the resource, it is this one that is wrong, and wrong once.
        let of_resource = |diagnostic: Diagnostic| Diagnostic {
            logical_id: diagnostic.logical_id.or(Some(id.to_owned())),
            ..diagnostic
        };
        self.own_name(id, resource).map_err(of_resource)
    }

    fn own_name(&self, id: &str, resource: &Yaml) -> Result<Text, Diagnostic> {
        let known = resources::find(kind(resource));
        let property = known.map_or("Name", |known| known.name_property);
        let properties = resource.get("Properties");
        let own = |name: &str| properties.and_then(|properties| properties.get(name));
        // SAM has its own name for this one.
        if let Some(name) =
            own(property).or_else(|| own("Name").filter(|_| kind(resource) == "AWS::Serverless::StateMachine"))
            && let Some(name) = self.evaluate(name)?
        {
            let text = Text::of(&name);
            return text.ok_or_else(|| refused(&name, format!("{property} expects a string, not {}", name.kind())));
        }
        let is_fifo = match kind(resource) {
            "AWS::SQS::Queue" => own("FifoQueue").map(|fifo| self.truth(fifo)).transpose()?,
            "AWS::SNS::Topic" => own("FifoTopic").map(|fifo| self.truth(fifo)).transpose()?,
            _ => None,
        };
        let ending = if is_fifo == Some(true) { ".fifo" } else { "" };
        let max = known.map_or(usize::MAX, |known| known.name_max);
        let name = resources::made_up_name(&self.options.stack_name, id, ending, max);
        let text = if kind(resource) == "AWS::S3::Bucket" { name.to_lowercase() } else { name };
        Ok(Text { text, unknown: None })
    }

    pub(super) fn queue_url(&self, name: &str) -> String {
        format!("{}/{}/{name}", self.options.queue_url_base.trim_end_matches('/'), self.options.account)
    }
}
