import CKernels
import Support

/// Which path of instructions each kind of kernel takes. All give the same bits, so the fastest is taken: a few
/// milliseconds of measurement find it when a model is opened, only for kinds of kernels that the model needs.
package final class KernelPaths: Sendable {
  /// Those of this process.
  package static let shared = KernelPaths()

  /// What is chosen for one kind.
  package struct Choice: Sendable, Equatable {
    /// The kind's name, such as `bf16`, `bf16 × bf16`, `Q4_K × int8` or `attention f16`.
    package let kind: String
    /// The path for one input, for two to four, and for more.
    package let paths: [String]
  }

  private struct State {
    /// The kinds that models of this process need.
    var kinds: Set<Int> = []
    var memory: KernelPathMemory?
    /// How long may still be measured.
    var seconds = 0.02
  }

  private let state = Locked(State())

  /// Lets choices outlive the process: those that a folder has are taken, later ones are kept there.
  package func remember(in memory: KernelPathMemory) { state.withLock { $0.memory = memory } }

  /// Chooses for kinds of kernels that were not needed before.
  package func prepare(_ kinds: Set<Int>) {
    state.withLock { state in
      let new = kinds.subtracting(state.kinds)
      guard !new.isEmpty, !tk_paths_forced() else { return }
      state.kinds.formUnion(new)
      let remembered = state.memory?.read() ?? [:]
      for kind in new {
        for (size, name) in (remembered[Self.name(kind)] ?? []).enumerated() {
          _ = unsafe tk_paths_choose(kind, size, name)
        }
      }
      let sizes = 0..<Int(TK_SIZES)
      let open = new.filter { kind in !sizes.allSatisfy { tk_paths_is_chosen(kind, $0) } }
      guard !open.isEmpty, state.seconds > 0 else { return }
      let list = open.sorted().map { UInt8($0) }
      state.seconds -= unsafe tk_paths_measure(list, list.count, state.seconds)
      // What there was no time for stays open, for the next process.
      let found = open.map { kind in
        (Self.name(kind), zip(sizes, Self.paths(kind)).map { tk_paths_is_chosen(kind, $0) ? $1 : "" })
      }
      state.memory?.write(remembered.merging(found) { $1 })
    }
  }

  /// What is chosen for the kinds that this process needs.
  package var choices: [Choice] {
    state.withLock { $0.kinds }.sorted().map { Choice(kind: Self.name($0), paths: Self.paths($0)) }
  }

  private static func paths(_ kind: Int) -> [String] {
    (0..<Int(TK_SIZES)).map { unsafe String(cString: tk_paths_name(kind, $0)) }
  }

  /// The kind of attention over a cache.
  static func attention(_ type: CacheType) -> Int { Int(TK_KIND_ATTENTION) + Int(type.kernelType.rawValue) }

  static func name(_ kind: Int) -> String {
    if kind == Int(TK_KIND_BF16) { return "bf16 × bf16" }
    let isAttention = kind >= Int(TK_KIND_ATTENTION)
    let type = tk_type(UInt32(kind - Int(isAttention ? TK_KIND_ATTENTION : TK_KIND_LINEAR)))
    let name =
      switch type {
      case TK_F32: "f32"
      case TK_F16: "f16"
      case TK_BF16: "bf16"
      case TK_Q4_0: "Q4_0"
      case TK_Q4_1: "Q4_1"
      case TK_Q8_0: "Q8_0"
      case TK_Q4_K: "Q4_K"
      case TK_Q5_K: "Q5_K"
      case TK_Q6_K: "Q6_K"
      case TK_Q5_0: "Q5_0"
      case TK_Q5_1: "Q5_1"
      default: "type \(type.rawValue)"
      }
    if isAttention { return "attention " + name }
    return name + (tk_block_elements(type) > 1 ? " × int8" : "")
  }
}
