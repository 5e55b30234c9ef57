// Lets Azurite find a row in the time that an index takes, as Table storage does. Loaded before it: node --require.
//
// Azurite asks its store (LokiJS) for a row by PartitionKey and RowKey, in this order. LokiJS uses the index of the first
// alone and looks at every row that is left: the time of each read and write grows with the rows of the partition. With
// the two in the other order few rows are left. What is found is the same.
"use strict";

const Loki = require(require.resolve("lokijs", { paths: [process.argv[1]] }));

const findOne = Loki.Collection.prototype.findOne;

Loki.Collection.prototype.findOne = function (query) {
  const { PartitionKey, RowKey, ...more } = query ?? {};
  if (PartitionKey === undefined || RowKey === undefined) return findOne.call(this, query);
  return findOne.call(this, { RowKey, PartitionKey, ...more });
};
