"""Puts objects into real object stores, with the clients that their clouds give out.

    stores.py KIND ENDPOINT make
    stores.py KIND ENDPOINT put KEY TEXT
    stores.py KIND ENDPOINT many PREFIX COUNT      one row "x" each: PREFIX0.csv holds 0, and so on
    stores.py KIND ENDPOINT half KEY TEXT          begins an upload and leaves it
    stores.py KIND ENDPOINT complete KEY TEXT      ends it
    stores.py KIND ENDPOINT file KEY PATH
    stores.py KIND ENDPOINT delete KEY

KIND is s3 (moto), gs (fake-gcs-server), az (azurite) or http (a server of WebDAV). The bucket is
called "bucket".
"""

import json
import sys
import urllib.parse
import urllib.request
from concurrent.futures import ThreadPoolExecutor

BUCKET = "bucket"


class S3:
    def __init__(self, endpoint):
        import boto3

        self.client = boto3.client(
            "s3", endpoint_url=endpoint, region_name="us-east-1",
            aws_access_key_id="key", aws_secret_access_key="secret",
        )

    def make(self):
        self.client.create_bucket(Bucket=BUCKET)

    def put(self, key, content):
        self.client.put_object(Bucket=BUCKET, Key=key, Body=content)

    def delete(self, key):
        self.client.delete_object(Bucket=BUCKET, Key=key)

    def half(self, key, content):
        upload = self.client.create_multipart_upload(Bucket=BUCKET, Key=key)
        self.client.upload_part(
            Bucket=BUCKET, Key=key, PartNumber=1, UploadId=upload["UploadId"], Body=content
        )

    def complete(self, key, _content):
        upload = self.client.list_multipart_uploads(Bucket=BUCKET)["Uploads"][0]["UploadId"]
        parts = self.client.list_parts(Bucket=BUCKET, Key=key, UploadId=upload)["Parts"]
        parts = [{"ETag": part["ETag"], "PartNumber": part["PartNumber"]} for part in parts]
        self.client.complete_multipart_upload(
            Bucket=BUCKET, Key=key, UploadId=upload, MultipartUpload={"Parts": parts}
        )


class Azure:
    # The account that every emulator has.
    ACCOUNT = "devstoreaccount1"
    KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="

    def __init__(self, endpoint):
        from azure.storage.blob import ContainerClient

        self.container = ContainerClient(
            f"{endpoint}/{self.ACCOUNT}", BUCKET,
            credential={"account_name": self.ACCOUNT, "account_key": self.KEY},
        )

    def make(self):
        self.container.create_container()

    def put(self, key, content):
        self.container.upload_blob(key, content, overwrite=True)

    def delete(self, key):
        self.container.delete_blob(key)

    def half(self, key, content):
        self.container.get_blob_client(key).stage_block("MDAwMQ==", content)

    def complete(self, key, _content):
        self.container.get_blob_client(key).commit_block_list(["MDAwMQ=="])


class Google:
    def __init__(self, endpoint):
        self.endpoint = endpoint

    def send(self, method, path, body=None, kind="application/octet-stream"):
        headers = {"Content-Type": kind}
        request = urllib.request.Request(self.endpoint + path, body, headers, method=method)
        with urllib.request.urlopen(request) as answer:
            return answer

    def make(self):
        body = json.dumps({"name": BUCKET}).encode()
        self.send("POST", "/storage/v1/b?project=p", body, "application/json")

    def put(self, key, content):
        name = urllib.parse.quote(key, safe="")
        self.send("POST", f"/upload/storage/v1/b/{BUCKET}/o?uploadType=media&name={name}", content)

    def delete(self, key):
        self.send("DELETE", f"/storage/v1/b/{BUCKET}/o/{urllib.parse.quote(key, safe='')}")

    def half(self, key, content):
        name = urllib.parse.quote(key, safe="")
        path = f"/upload/storage/v1/b/{BUCKET}/o?uploadType=resumable&name={name}"
        self.send("POST", path, b"{}", "application/json")

    def complete(self, key, content):
        self.put(key, content)


class WebDav:
    def __init__(self, endpoint):
        self.endpoint = endpoint

    def send(self, method, path, body=None):
        request = urllib.request.Request(f"{self.endpoint}/{path}", body, method=method)
        with urllib.request.urlopen(request) as answer:
            return answer

    def make(self):
        for folder in ["logs", "logs/day=1", "train"]:
            self.send("MKCOL", folder)

    def put(self, key, content):
        self.send("PUT", urllib.parse.quote(key), content)

    def delete(self, key):
        self.send("DELETE", urllib.parse.quote(key))

    def half(self, _key, _content):
        pass

    def complete(self, key, content):
        self.put(key, content)


def main():
    kind, endpoint, what, *rest = sys.argv[1:]
    store = {"s3": S3, "az": Azure, "gs": Google, "http": WebDav}[kind](endpoint)
    match what, rest:
        case "make", []:
            store.make()
        case "many", [prefix, count]:
            with ThreadPoolExecutor(8) as pool:
                put = lambda i: store.put(f"{prefix}{i}.csv", f"x\n{i}\n".encode())
                list(pool.map(put, range(int(count))))
        case "file", [key, path]:
            with open(path, "rb") as file:
                store.put(key, file.read())
        case "delete", [key]:
            store.delete(key)
        case ("put" | "half" | "complete"), [key, text]:
            getattr(store, what)(key, text.encode())
        case _:
            sys.exit(__doc__)


if __name__ == "__main__":
    main()
