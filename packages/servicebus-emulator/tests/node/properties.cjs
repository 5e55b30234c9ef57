// What goes with abandon, defer and dead-letter, and what the emulator refuses, through @azure/service-bus.
// Prints one JSON object; the connection string is in SERVICE_BUS, the queue is "node", the subscription "news/s".
const { ServiceBusClient } = require("@azure/service-bus");
const { version } = require("@azure/service-bus/package.json");

const PROPERTIES = { text: "why", number: 7, yes: true };

async function received(receiver) {
  const [message] = await receiver.receiveMessages(1, { maxWaitTimeInMs: 5000 });
  return message;
}

async function refused(what) {
  try {
    await what();
    return "not refused";
  } catch (error) {
    return error.message;
  }
}

// One message, through the three ways over the receiver's link: the properties add up.
async function overTheLink(receiver, deadLetters) {
  const got = {};
  await receiver.abandonMessage(await received(receiver), { ...PROPERTIES, step: "abandoned" });
  const again = await received(receiver);
  got.abandoned = again.applicationProperties;
  await receiver.deferMessage(again, { step: "deferred" });
  const [deferred] = await receiver.receiveDeferredMessages([again.sequenceNumber]);
  got.deferred = deferred.applicationProperties;
  // A deferred message is settled over $management.
  await receiver.abandonMessage(deferred, { step: "abandoned over $management" });
  const [once] = await receiver.receiveDeferredMessages([again.sequenceNumber]);
  got.managed = once.applicationProperties;
  await receiver.deadLetterMessage(once, { deadLetterReason: "r", deadLetterErrorDescription: "d", step: "dead" });
  const dead = await received(deadLetters);
  got.dead = [dead.deadLetterReason, dead.deadLetterErrorDescription, dead.applicationProperties];
  await deadLetters.completeMessage(dead);
  return got;
}

async function deadLettered(receiver, deadLetters) {
  await receiver.deadLetterMessage(await received(receiver), { deadLetterReason: "r2", step: "over the link" });
  const dead = await received(deadLetters);
  await deadLetters.completeMessage(dead);
  return [dead.deadLetterReason, dead.applicationProperties];
}

async function main() {
  const client = new ServiceBusClient(process.env.SERVICE_BUS, { retryOptions: { maxRetries: 0 } });
  const [sender, receiver] = [client.createSender("node"), client.createReceiver("node")];
  const deadLetters = client.createReceiver("node", { subQueueType: "deadLetter" });
  const got = { version };
  await sender.sendMessages({ body: "x", applicationProperties: { own: "stays", step: "sent" } });
  got.settled = await overTheLink(receiver, deadLetters);
  await sender.sendMessages({ body: "y" });
  got.deadLettered = await deadLettered(receiver, deadLetters);
  const rules = client.createRuleManager("news", "s");
  got.refused = {
    session: await refused(() => client.acceptSession("node", "a")),
    nextSession: await refused(() => client.acceptNextSession("node")),
    addRule: await refused(() => rules.createRule("mine", { subject: "x" })),
    removeRule: await refused(() => rules.deleteRule("$Default")),
    rules: await refused(() => rules.listRules().next()),
  };
  await client.close();
  console.log(JSON.stringify(got));
}

main().then(
  () => process.exit(0),
  (error) => {
    console.error(error);
    process.exit(1);
  },
);
