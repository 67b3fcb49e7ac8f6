// Sharp, asked line by line. SHARP is the folder below which the package is installed.
//
// A line is a request in JSON, and is answered by one line when it is done; one is worked on at a time.
//
//   { "input": FILE, "outputs": [OUTPUT, ...] }
//     One pipeline, cloned for each output. OUTPUT has the fields of a job's output, in the handler's words, and:
//     "to": where the file is written, after the clock was read; without it, it is not
//     "extract": { left, top, width, height } of the resized image
//     "fastShrinkOnLoad": as sharp has it
//   { "make": FILE, "to": FILE, "as": FORMAT, "width", "height", "channels", "pageHeight", "profile", "space",
//     "orientation", ... }
//     A file of raw pixels, eight bits a channel in sRGB, as another; all other fields are options of the format.
//
// The answer: { outputs: [{ width, height, bytes, left, top }], cpuMicroseconds, residentBytesMax }, or { error }.

import { readFile, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { createInterface } from "node:readline";

const sharp = createRequire(`${process.env.SHARP}/`)("sharp");
sharp.cache(false);
sharp.concurrency(1);

async function resize({ input, outputs }) {
  const bytes = await readFile(input);
  const before = process.cpuUsage();
  const image = sharp(bytes).autoOrient();
  const made = await Promise.all(
    outputs.map((output) => pipeline(image.clone(), output).toBuffer({ resolveWithObject: true })),
  );
  const { user, system } = process.cpuUsage(before);
  for (const [index, { to }] of outputs.entries()) if (to) await writeFile(to, made[index].data);
  return {
    outputs: made.map(({ info: { width, height, size, cropOffsetLeft, cropOffsetTop } }) => ({
      width,
      height,
      bytes: size,
      left: -(cropOffsetLeft ?? 0),
      top: -(cropOffsetTop ?? 0),
    })),
    cpuMicroseconds: user + system,
    residentBytesMax: await residentBytesMax(),
  };
}

// Of this program alone: `maxRSS` begins with the most that the process had which started it.
async function residentBytesMax() {
  const status = await readFile("/proc/self/status", "utf8").catch(() => "");
  return Number(/^VmHWM:\s*(\d+) kB$/m.exec(status)?.[1] ?? 0) * 1024;
}

function pipeline(image, { width, height, fit, position, enlarge, background, kernel, format, quality, ...rest }) {
  const { extract, fastShrinkOnLoad, rotate, grayscale, blur, sharpen, progressive, chroma } = rest;
  const words = { width, height, fit, position, background, kernel, fastShrinkOnLoad, withoutEnlargement: !enlarge };
  if (rotate) image = image.rotate(rotate);
  let made = image.resize(Object.fromEntries(Object.entries(words).filter(([, value]) => value !== undefined)));
  if (extract) made = made.extract(extract);
  if (grayscale) made = made.grayscale();
  if (blur) made = made.blur(blur);
  if (sharpen) made = sharpen === true ? made.sharpen() : made.sharpen({ sigma: sharpen });
  if (format === "jpeg") made = made.flatten({ background: background ?? "#000" });
  const kind = { ...(progressive === undefined ? {} : { progressive }), ...(chroma ? { chromaSubsampling: chroma } : {}) };
  const options = { jpeg: { quality: quality ?? 80, ...kind }, webp: { quality: quality ?? 80, effort: 4 }, png: {} };
  return made.toFormat(format, options[format]);
}

async function make({ make, to, as, width, height, channels, pageHeight, profile, space, orientation, ...options }) {
  const raw = pageHeight ? { width, height, channels, pageHeight } : { width, height, channels };
  let image = sharp(await readFile(make), { raw, limitInputPixels: false });
  if (space) image = image.toColourspace(space);
  if (profile) image = image.withIccProfile(profile);
  if (orientation) image = image.withMetadata({ orientation });
  await image.toFormat(as, options).toFile(to);
  return { outputs: [] };
}

for await (const line of createInterface({ input: process.stdin })) {
  const request = JSON.parse(line);
  const answer = await (request.make ? make(request) : resize(request)).catch((error) => ({ error: String(error) }));
  process.stdout.write(`${JSON.stringify(answer)}\n`);
}
