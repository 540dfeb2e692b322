// The script that one writes for such a move: streams, five at a time. It is what milkrun is compared with.
import { readFile } from "node:fs/promises";
import { Readable } from "node:stream";
import { S3Client } from "@aws-sdk/client-s3";
import { Upload } from "@aws-sdk/lib-storage";

const [list, Bucket, endpoint] = process.argv.slice(2);
const client = new S3Client({ endpoint, forcePathStyle: true });
const files = JSON.parse(await readFile(list, "utf8"));

async function move({ url, key }) {
  const answer = await fetch(url);
  if (!answer.ok) throw new Error(`${url}: ${answer.status}`);
  const params = { Bucket, Key: key, Body: Readable.fromWeb(answer.body), ContentType: answer.headers.get("content-type") };
  await new Upload({ client, params }).done();
}

let next = 0;
async function worker() {
  while (next < files.length) await move(files[next++]);
}
await Promise.all(Array.from({ length: 5 }, worker));
