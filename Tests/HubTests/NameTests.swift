import Testing
import Transfer

@testable import Hub

@Suite struct NameTests {
  struct Case: Sendable {
    let text: String
    var kind = HubName.Kind.model
    let repository: String
    var path = ""
    var revision: String?
  }

  @Test(arguments: [
    Case(text: "Qwen/Qwen2.5-1.5B", repository: "Qwen/Qwen2.5-1.5B"),
    Case(text: "gpt2", repository: "gpt2"),
    Case(text: "Tina-Yi/R1-LIMR/checkpoint-100", repository: "Tina-Yi/R1-LIMR", path: "checkpoint-100"),
    Case(text: "a/b/c/d.gguf@v1.0", repository: "a/b", path: "c/d.gguf", revision: "v1.0"),
    Case(text: "a/b@refs/pr/1", repository: "a/b", revision: "refs/pr/1"),
    Case(text: "a/b/c@feature/x", repository: "a/b", path: "c", revision: "feature/x"),
    Case(text: "hf://a/b@refs/pr/7/c/d", repository: "a/b", path: "c/d", revision: "refs/pr/7"),
    Case(text: "hf://datasets/a/b@main", kind: .dataset, repository: "a/b", revision: "main"),
    Case(text: "hf://a/b@dev/c", repository: "a/b", path: "c", revision: "dev"),
    Case(text: "datasets/a/b/train.jsonl", kind: .dataset, repository: "a/b", path: "train.jsonl"),
    Case(text: "datasets/a", repository: "datasets/a"),
    Case(
      text: "https://huggingface.co/a/b/tree/main/checkpoint-5", repository: "a/b", path: "checkpoint-5",
      revision: "main"),
    Case(text: "https://hf.co/a/b", repository: "a/b"),
    Case(
      text: "https://huggingface.co/datasets/a/b/blob/v2/x.jsonl", kind: .dataset, repository: "a/b",
      path: "x.jsonl", revision: "v2"),
    Case(text: "a/b/", repository: "a/b"),
  ])
  func namesAreParsed(_ expected: Case) throws {
    let name = try HubName(expected.text)
    #expect(name.kind == expected.kind)
    #expect(name.repository == expected.repository)
    #expect(name.path == expected.path)
    #expect(name.revision == expected.revision)
    #expect(try HubName(name.description) == name)
  }

  @Test(arguments: [
    "", "/", "a//b", "a/b/../c", "a/b/./c", "../a", "a/..", "a/b@", "a/b@../x", "a/b@-x", "a/b@x..y",
    "a/b@x y",
    "a b/c", "a/b\\c/d", "a/b/c\\d", "a/b/\u{0}", "a/b/c\nd", "é/b", "-a/b", "a/b.", "a--b/c", "a/b@x.lock",
    String(repeating: "a", count: 97), "a/b/" + String(repeating: "c", count: 256), "a/b@@{1}", "a/b@x~1",
    "https://example.com/a/b/c",
  ])
  func hostileNamesAreRefused(_ text: String) {
    #expect(throws: HubError.self) { try HubName(text) }
  }

  @Test func pathsAreNotTakenForNames() {
    for text in ["/a/b", "./a/b", "../a/b", "~/a/b", "model", "a/b/", "a", "What is 1/2 of it?", ".cache/x"] {
      #expect(!HubName.isMeant(by: text), "\(text)")
    }
    for text in ["a/b", "a/b/c", "a/b@main", "hf://a/b", "https://huggingface.co/a/b"] {
      #expect(HubName.isMeant(by: text), "\(text)")
    }
  }

}

@Suite struct AddressTests {
  @Test func addressesAreParsed() throws {
    let address = try #require(WebAddress("HTTPS://Huggingface.CO/api/x?a=b#c"))
    #expect(address.origin == "https://huggingface.co:443")
    #expect(address.path == "/api/x?a=b")
    #expect(address.text == "https://huggingface.co/api/x?a=b")
    #expect(WebAddress("http://127.0.0.1:8080")?.text == "http://127.0.0.1:8080/")
    #expect(WebAddress("http://[::1]:80/x")?.text == "http://[::1]/x")
    #expect(WebAddress("https://a")?.appending(["b c", "d/é"]).text == "https://a/b%20c/d%2F%C3%A9")
  }

  @Test(arguments: [
    "", "ftp://a/b", "file:///etc/passwd", "//a/b", "https://", "https:///x", "https://user@a/",
    "https://a b/",
    "https://a\\@b/", "https://a:0/", "https://a:99999/", "https://a:x/", "https://ä/", "https://a/\n",
    "http://[x]/",
    "javascript:x", "https://-a/",
  ])
  func ambiguousAddressesAreRefused(_ text: String) {
    #expect(WebAddress(text) == nil)
  }

  @Test func locationsAreResolved() throws {
    let base = try #require(WebAddress("https://a:8443/b/c?d"))
    let expected = [
      "/x/y": "https://a:8443/x/y", "https://e/f": "https://e/f", "//e/f": "https://e/f",
      "x": "https://a:8443/b/x",
      "http://e/f": "http://e/f", "?q": "https://a:8443/b/?q",
    ]
    for (location, target) in expected { #expect(base.resolving(location)?.text == target, "\(location)") }
    for bad in ["file:///etc/passwd", "ftp://x", "data:x", "https://x@y/", "/a\nb"] {
      #expect(base.resolving(bad) == nil, "\(bad)")
    }
  }
}
