import Foundation
import ModelFiles
import TestSupport
import Testing

@testable import Serving

@Suite struct GateTests {
  func status(
    _ headers: [(name: String, value: String)], method: String = "GET", needsKey: Bool = false,
    _ configure: (inout Gate) -> Void = { _ in }
  ) -> Int {
    var gate = Gate()
    configure(&gate)
    do throws(ServingError) {
      try gate.check(ServerRequest(method: method, target: "/", headers: headers), needsKey: needsKey)
      return 200
    } catch {
      return error.status
    }
  }

  @Test func onlyNamesOfThisServerAreAnswered() {
    for host in [
      "localhost", "LOCALHOST:8000", "127.0.0.1:8000", "[::1]:8000", "192.168.1.5", "tina.localhost",
    ] {
      #expect(status([("Host", host)]) == 200, "\(host)")
    }
    for host in [
      "evil.example", "localhost.evil.example", "127.0.0.1.evil.example:8000", "", "a:b:c", "1.2.3",
    ] {
      #expect(status([("host", host)]) == 403, "\(host)")
    }
    #expect(status([]) == 403)
    #expect(status([("Host", "localhost"), ("Host", "evil.example")]) == 403)
    #expect(status([("Host", "Tina.Example:443")]) { $0.allowedHosts = ["tina.example"] } == 200)
    #expect(status([("Host", "evil.example")]) { $0.allowedHosts = ["*"] } == 200)
  }

  @Test func otherPagesAreRefused() {
    let host = (name: "Host", value: "localhost:8000")
    #expect(status([host, ("Origin", "http://localhost:8000")]) == 200)
    for origin in [
      "http://localhost:9000", "http://evil.example", "null", "", "http://localhost:8000.evil.example",
    ] {
      #expect(status([host, ("Origin", origin)]) == 403, "\(origin)")
    }
    let friend = (name: "Origin", value: "https://friend.example")
    #expect(status([host, friend]) { $0.allowedOrigins = ["https://friend.example"] } == 200)
    #expect(status([host, friend, friend]) { $0.allowedOrigins = ["https://friend.example"] } == 403)
    var gate = Gate()
    gate.allowedOrigins = ["https://friend.example"]
    let asked = ServerRequest(method: "OPTIONS", target: "/v1/chat/completions", headers: [host, friend])
    #expect(gate.preflight(asked).contains { $0.0 == "Access-Control-Allow-Origin" })
    #expect(Gate().preflight(asked).isEmpty)
  }

  @Test func whatNoBrowserCouldSendIsNoOriginOrHost() {
    for origin in ["*", "https://friend.example", "http://localhost:3000", "app://tina", "http://[::1]:80"] {
      #expect(Gate.isOrigin(origin), "\(origin)")
    }
    for origin in [
      "", "friend.example", "https://", "://x", "https://friend.example/", "https://a b", "null",
    ] {
      #expect(!Gate.isOrigin(origin), "\(origin)")
    }
    for host in ["*", "tina.example", "Tina"] { #expect(Gate.isHost(host), "\(host)") }
    for host in ["", "tina.example:443", "https://tina.example", "a/b", "a b"] {
      #expect(!Gate.isHost(host), "\(host)")
    }
  }

  @Test func theKeyMustBeShown() {
    let host = (name: "Host", value: "localhost")
    let withKey = { (gate: inout Gate) in gate.apiKey = "s3cret" }
    #expect(status([host, ("Authorization", "Bearer s3cret")], needsKey: true, withKey) == 200)
    #expect(status([host, ("authorization", "bearer s3cret")], needsKey: true, withKey) == 200)
    for value in ["Bearer s3cre", "Bearer s3cret ", "s3cret", "Basic s3cret", "Bearer ", ""] {
      #expect(status([host, ("Authorization", value)], needsKey: true, withKey) == 401, "\(value)")
    }
    #expect(status([host], needsKey: true, withKey) == 401)
    #expect(status([host], needsKey: false, withKey) == 200)
  }

  @Test func bodiesMustBeJSON() {
    let host = (name: "Host", value: "localhost")
    for type in ["application/json", "Application/JSON; charset=utf-8", "application/json ; x=1"] {
      #expect(status([host, ("Content-Type", type)], method: "POST") == 200, "\(type)")
    }
    // The types that a page of another origin may send without the browser asking first.
    for type in ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", ""] {
      #expect(status([host, ("Content-Type", type)], method: "POST") == 415, "\(type)")
    }
    #expect(status([host], method: "POST") == 415)
  }

  @Test func everyRouteIsGuarded() async throws {
    let service = try await picoService { $0.gate.apiKey = "s3cret" }
    for (method, path) in [
      ("GET", "/metrics"), ("GET", "/v1/models"), ("GET", "/v1/models/pico"),
      ("POST", "/v1/chat/completions"),
      ("POST", "/v1/completions"), ("POST", "/v1/load_lora_adapter"), ("POST", "/v1/unload_lora_adapter"),
      ("POST", "/tokenize"), ("POST", "/detokenize"), ("GET", "/nowhere"),
    ] {
      #expect(await service.ask(method, path, "{}").status == 401, "\(path)")
      let foreign = [
        (name: "Host", value: "evil.example"), (name: "Content-Type", value: "application/json"),
      ]
      #expect(await service.ask(method, path, "{}", headers: foreign).status == 403, "\(path)")
    }
    #expect(await service.ask("GET", "/health", headers: []).status == 200)
    #expect(await service.ask("GET", "/").status == 200)
    #expect(await service.ask("GET", "/", headers: [(name: "Host", value: "evil.example")]).status == 403)
    let open = try await picoService()
    #expect(await open.ask("GET", "/nowhere").status == 404)
    for (method, path, allowed) in [
      ("GET", "/v1/chat/completions", "POST, OPTIONS"), ("DELETE", "/v1/models", "GET, HEAD, OPTIONS"),
    ] {
      let reply = await open.ask(method, path)
      #expect(reply.status == 405)
      #expect(reply.header("Allow") == allowed)
    }
  }

  @Test func thePageMayLoadNothingButItself() async throws {
    let service = try await picoService()
    let reply = await service.ask("GET", "/")
    let policy = try #require(reply.header("Content-Security-Policy"))
    #expect(policy.contains("default-src 'none'") && policy.contains("connect-src 'self'"))
    #expect(policy.components(separatedBy: "'sha256-").count == 3)
    // The name of MathML's elements is an address that nobody opens.
    let page = reply.text.replacingOccurrences(of: "\"http://www.w3.org/1998/Math/MathML\"", with: "")
    for mark in ["http://", "https://", "src=", "@import", "url(", "innerHTML"] {
      #expect(!page.contains(mark), "\(mark)")
    }
    #expect(reply.text.replacingOccurrences(of: "href=\"data:", with: "").contains("href=") == false)
  }
}
