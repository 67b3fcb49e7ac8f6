//! Where the code of functions and layers is.

use super::{
    Code, Diagnostic, Layer,
    document::Yaml,
    evaluate::{TemplateContext, Text},
};

impl TemplateContext<'_> {
    /// Where the code of a function is. Of a map only what matters here is evaluated: buckets may be known to AWS alone.
    pub(super) fn code(&self, resource: &Yaml, global: Option<&Yaml>) -> Result<Code, Diagnostic> {
        let own = |name: &str| {
            let own = resource.get("Properties").and_then(|properties| properties.get(name));
            own.or_else(|| global.and_then(|global| global.get(name)))
        };
        let text = |node: &Yaml| Ok(self.evaluate(node)?.and_then(|node| node.as_text().map(ToOwned::to_owned)));
        let is_image = own("PackageType").map(text).transpose()?.flatten().is_some_and(|kind| kind == "Image");
        if is_image || own("ImageUri").is_some() {
            return Ok(Code::Image);
        }
        // What is not known in it is a placeholder, as in a variable.
        let whole = |node: &Yaml| Ok(self.evaluate(node)?.and_then(|node| Text::of(&node).map(|it| it.text)));
        if let Some(inline) = own("InlineCode").map(whole).transpose()?.flatten() {
            return Ok(Code::Inline(inline));
        }
        let Some(code) = own("CodeUri").or_else(|| own("Code")) else { return Ok(Code::Unknown) };
        if let Some(inline) = code.get("ZipFile") {
            return Ok(whole(inline)?.map_or(Code::Unknown, Code::Inline));
        }
        if code.get("ImageUri").is_some() {
            return Ok(Code::Image);
        }
        if let Some(key) = code.get("S3Key").or_else(|| code.get("Key")) {
            // A key that is not known here is as good as none.
            return Ok(Code::Bucket(text(key).unwrap_or_default()));
        }
        let path = text(code)?;
        Ok(match path {
            Some(uri) if uri.starts_with("s3://") => Code::Bucket(Some(uri)),
            Some(path) => Code::Path(self.input.path_of(&path)),
            None => Code::Unknown,
        })
    }

    pub(super) fn layers(&self, resource: &Yaml, global: Option<&Yaml>) -> Result<Vec<Layer>, Diagnostic> {
        let own = resource.get("Properties").and_then(|properties| properties.get("Layers"));
        let lists = [global.and_then(|global| global.get("Layers")), own];
        let items = lists.into_iter().flatten().flat_map(|list| list.as_list().unwrap_or_default());
        items.map(|item| self.layer(item)).collect()
    }

    /// A layer of this template by its folder; any other one by its name.
    fn layer(&self, item: &Yaml) -> Result<Layer, Diagnostic> {
        let id = item.get("Ref").and_then(Yaml::as_text);
        let Some((id, resource)) = id.and_then(|id| Some((id, self.resource(id)?))) else {
            let name = self.evaluate(item).ok().flatten().and_then(|node| node.as_text().map(ToOwned::to_owned));
            return Ok(Layer { name: name.unwrap_or_else(|| "a layer from elsewhere".to_owned()), path: None });
        };
        let properties = resource.get("Properties");
        let content = properties.and_then(|own| own.get("ContentUri").or_else(|| own.get("Content")));
        let path = content.map_or(Ok(None), |content| self.evaluate(content))?;
        let path =
            path.and_then(|path| path.as_text().map(ToOwned::to_owned)).filter(|path| !path.starts_with("s3://"));
        let path = asset_path(resource).or(path).map(|path| self.input.path_of(&path));
        Ok(Layer { name: id.to_owned(), path })
    }
}

/// What CDK says of a resource's files.
pub(super) fn asset_path(resource: &Yaml) -> Option<String> {
    let path = resource.get("Metadata").and_then(|metadata| metadata.get("aws:asset:path"));
    path.and_then(Yaml::as_text).map(ToOwned::to_owned)
}
