// Every photo of a folder by sharp, as `resize run` makes them: node folder.mjs PHOTOS OUT WIDTH
// SHARP is the folder below which the package is installed. All photos are given to sharp at once; it works on as many as it
// likes, each with one thread.

import { readdir } from "node:fs/promises";
import { createRequire } from "node:module";
import { join } from "node:path";

const sharp = createRequire(`${process.env.SHARP}/`)("sharp");
sharp.cache(false);
sharp.concurrency(1);

const [photos, out, width] = process.argv.slice(2);
const make = (name) =>
  sharp(join(photos, name))
    .autoOrient()
    .resize({ width: Number(width), withoutEnlargement: true })
    .jpeg({ quality: 80 })
    .toFile(join(out, name));
await Promise.all((await readdir(photos)).map(make));
