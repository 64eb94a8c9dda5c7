import ArgumentParser
import Foundation
import Hub
import Serving
import TinaRuntime

struct Serve: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Answers over HTTP, in OpenAI's protocol, with the base and any number of adapters.",
    usage: "tina serve [<model>] [--adapter <name>=<adapter>] ... [<options>]",
    discussion: """
      A request's "model" names the base, an adapter, or BASE:ADAPTER@SCALE; GET /v1/models lists them. Requests \
      with different adapters share one batch. A page for people is at http://127.0.0.1:8000/.

      SIGTERM and Ctrl-C stop the server: new requests are refused, those that have come are finished. The exit \
      code is 0, or 1 if --grace was too short for some.

      EXAMPLES:
        tina serve
        tina serve Models/pico --adapter math=Models/pico/adapter --adapter half=Models/pico/adapter@0.5
        tina serve ~/models/DeepSeek-R1-Distill-Qwen-1.5B --adapter-dir ~/adapters --api-key-file ~/.tina-key
        curl http://127.0.0.1:8000/v1/chat/completions -H 'Content-Type: application/json' \\
          -d '{"model": "pico", "messages": [{"role": "user", "content": "What is 12 + 3 * 4?"}]}'
      """)

  @Argument(help: "A Hugging Face model directory, a GGUF file or a name on the hub; Pico unless given.")
  var model: String?

  @Option(
    help: ArgumentHelp(
      "An adapter to serve under a name; as often as wanted. ADAPTER[:layers=N][@FACTOR] as in tina run.",
      valueName: "name=adapter"))
  var adapter: [NamedAdapter] = []

  @Option(help: "What requests call the base; the last part of its path unless given.")
  var name: String?

  @Flag(help: "Attach adapters although the model's weights are not those that they belong to.")
  var allowBaseMismatch = false

  @Option(
    help: ArgumentHelp(
      "Add the one adapter to the weights in memory, as f32, bf16 or f16, and serve that alone, under its name: a"
        + " little faster.", valueName: "type"))
  var merged: MergedType?

  @OptionGroup(title: "Network") var network: ServeNetworkOptions
  @OptionGroup(title: "Limits") var limits: ServeLimitOptions
  @OptionGroup(title: "Computing") var compute: ComputeOptions

  func validate() throws {
    var names: Set<String> = []
    for adapter in adapter where !names.insert(adapter.name).inserted {
      throw ValidationError("--adapter: found the name \(adapter.name) twice, expected each once.")
    }
    for adapter in adapter where !AdapterRegistry.isName(adapter.name) {
      throw ValidationError(
        "--adapter: found the name \"\(adapter.name)\", expected 1 to 128 letters, digits and ._/-. Give it one:"
          + " --adapter NAME=ADAPTER.")
    }
    if name?.isEmpty == true { throw ValidationError("--name: found nothing, expected a name.") }
    guard merged != nil else { return }
    let reason =
      "merged weights are one model. Leave --merged out: attached adapters share the base's weights."
    if adapter.count != 1 {
      throw ValidationError(
        "--merged: found \(adapter.count == 0 ? "no adapter" : "\(adapter.count) adapters"), expected one --adapter:"
          + " \(reason)")
    }
    if network.adapterDir != nil {
      throw ValidationError("--merged: found --adapter-dir as well, expected no further adapters: \(reason)")
    }
  }

  func run() async throws {
    #if Server
      try await serve()
    #else
      throw CommandError(
        "this tina was built without its server. Build it with: swift build -c release --traits Server")
    #endif
  }

  #if Server
    private func serve() async throws {
      let path = try ModelLocator.path(model, for: adapter.map(\.reference))
      let key = try network.key()
      try network.checkReach(hasKey: key != nil)
      var model = try compute.model(path)
      var baseName = name ?? Self.baseName(path)
      var attached = adapter
      if let merged, let adapter = attached.popLast() {
        model = try merged.merge(
          adapter.reference.attach(to: model, allowBaseMismatch: allowBaseMismatch), into: model)
        baseName = name ?? adapter.name
      }
      let engine = Engine(
        model: model, cacheType: compute.cacheType, contextLimit: compute.context,
        batchLimit: limits.maxRunning,
        memoryBudget: compute.cacheMemory.map { $0 << 20 })
      let registry = AdapterRegistry(
        engine: engine, baseName: baseName, allowBaseMismatch: allowBaseMismatch)
      for adapter in attached {
        if adapter.name == registry.baseName {
          throw CommandError(
            "--adapter: found the name \(adapter.name), which is the base's. Give it another,"
              + " --adapter NAME=ADAPTER, or another one to the base, --name NAME.")
        }
        let reference = try adapter.reference.resolved()
        let loaded = try await registry.load(
          name: adapter.name, path: reference.path, layers: reference.layers, scale: reference.scale
        ).adapter
        for note in loaded.notes { Terminal.note(note) }
      }
      let service = try Service(
        engine: engine, adapters: registry, settings: limits.settings(network, key: key))
      let server = HTTPServer(service, settings: limits.serverSettings(network))
      let stop = StopSignals()
      let port = try await server.start()
      let host = network.host.contains(":") ? "[\(network.host)]" : network.host
      Terminal.note(
        "serving \(([registry.baseName] + registry.list.map(\.name)).joined(separator: ", "))"
          + " at http://\(host):\(port)/")
      await stop.wait()
      Terminal.note("stopping: what has begun is finished, for at most \(limits.grace) seconds")
      let cut = await server.stop(grace: Double(limits.grace))
      if cut > 0 {
        Terminal.note(
          "error: \(cut == 1 ? "1 request was" : "\(cut) requests were") not finished in time and cut off")
        throw ExitCode.failure
      }
    }

    private static func baseName(_ path: String) -> String {
      // In the hub's cache the last part is the hash of a commit.
      if !path.hasSuffix(".gguf"), let repository = HubCache.repository(of: path) {
        return repository.split(separator: "/").last.map(String.init) ?? repository
      }
      let url = URL(fileURLWithPath: path).standardizedFileURL
      return url.pathExtension == "gguf"
        ? url.deletingPathExtension().lastPathComponent : url.lastPathComponent
    }
  #endif
}

/// `NAME=ADAPTER`, or an adapter alone, whose last folder or file is then its name.
struct NamedAdapter: ExpressibleByArgument {
  let name: String
  let reference: AdapterReference

  init?(argument: String) {
    let parts = argument.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
    // A path with "=" in it, such as a folder of a run's settings, is no name.
    if parts.count == 2, !parts[0].contains("/"), !parts[0].isEmpty, !parts[0].hasSuffix(":layers") {
      guard let reference = AdapterReference(argument: String(parts[1])) else { return nil }
      name = String(parts[0])
      self.reference = reference
    } else {
      guard let reference = AdapterReference(argument: argument) else { return nil }
      let hubName = reference.isOnHub ? try? HubName(reference.path) : nil
      let url = URL(
        fileURLWithPath: hubName.map { $0.path.isEmpty ? $0.repository : $0.path } ?? reference.path)
      name =
        (["tina", "gguf"].contains(url.pathExtension) ? url.deletingPathExtension() : url).lastPathComponent
      self.reference = reference
    }
  }
}
