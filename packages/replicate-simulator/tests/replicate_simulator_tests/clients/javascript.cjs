// The main calls of Replicate's JavaScript client 1.4; prints what it got as one JSON object.
const Replicate = require("replicate");
const { version } = require("replicate/package.json");

const SCHNELL = "black-forest-labs/flux-schnell";
const LLAMA = "meta/meta-llama-3-8b-instruct";
const [OWNER, NAME] = SCHNELL.split("/");

async function main() {
  const replicate = new Replicate({ baseUrl: process.env.REPLICATE_BASE_URL });
  const got = { version };
  const [picture] = await replicate.run(SCHNELL, { input: { prompt: "a fox" } });
  got.picture = Buffer.from(await (await picture.blob()).arrayBuffer()).subarray(0, 4).toString("hex");
  got.text = (await replicate.run(LLAMA, { input: { prompt: "foxes" } })).join("");
  got.streamed = "";
  for await (const { event, data } of replicate.stream(LLAMA, { input: { prompt: "foxes" } })) {
    if (event === "output") got.streamed += data;
  }
  let made = await replicate.predictions.create({ model: SCHNELL, input: { prompt: "a fox", num_outputs: 2 } });
  made = await replicate.wait(made, { interval: 50 });
  got.made = [made.status, made.output.length, made.metrics.image_output_count];
  const slow = await replicate.predictions.create({ model: SCHNELL, input: { prompt: "slow fox" } });
  await replicate.predictions.cancel(slow.id);
  got.canceled = (await replicate.predictions.get(slow.id)).status;
  got.listed = (await replicate.predictions.list()).results.some((each) => each.id === slow.id);
  const found = (await replicate.models.search("flux-schnell")).results;
  got.found = found.some((each) => `${each.owner}/${each.name}` === SCHNELL);
  const model = await replicate.models.get(OWNER, NAME);
  got.model = [model.owner, Boolean(model.latest_version.openapi_schema)];
  got.versions = (await replicate.models.versions.list(OWNER, NAME)).results.length > 0;
  const file = await replicate.files.create(Buffer.from("abc"), { customer: "7" });
  const files = (await replicate.files.list()).results;
  got.file = [file.size, file.metadata, files.some((each) => each.id === file.id)];
  got.deleted = await replicate.files.delete(file.id);
  got.hardware = (await replicate.hardware.list()).some((each) => each.sku === "cpu");
  got.account = (await replicate.accounts.current()).username;
  got.collections = (await replicate.collections.list()).results.map((each) => each.slug);
  got.secret = (await replicate.webhooks.default.secret.get()).key.startsWith("whsec_");
  try {
    await replicate.run(SCHNELL, { input: { prompt: "a fox", num_outputs: 99 } });
  } catch (error) {
    got.refused = error.response.status;
  }
  console.log(JSON.stringify(got));
}

main();
