// What the commands of TeX stand for.
const TEX = (() => {
  const table = (text) => Object.fromEntries(text.trim().split(/\s+/).map((entry) => entry.split("=")));
  const list = (text) => new Set(text.trim().split(/\s+/));
  return {
    letters: table(`
      alpha=α beta=β gamma=γ delta=δ epsilon=ϵ varepsilon=ε zeta=ζ eta=η theta=θ vartheta=ϑ iota=ι kappa=κ lambda=λ
      mu=μ nu=ν xi=ξ omicron=ο pi=π varpi=ϖ rho=ρ varrho=ϱ sigma=σ varsigma=ς tau=τ upsilon=υ phi=ϕ varphi=φ chi=χ
      psi=ψ omega=ω ell=ℓ hbar=ℏ imath=ı jmath=ȷ wp=℘ partial=∂ eth=ð`),
    upright: table(`
      Gamma=Γ Delta=Δ Theta=Θ Lambda=Λ Xi=Ξ Pi=Π Sigma=Σ Upsilon=Υ Phi=Φ Psi=Ψ Omega=Ω infty=∞ emptyset=∅ varnothing=∅
      Re=ℜ Im=ℑ aleph=ℵ nabla=∇ degree=° S=§ P=¶ pounds=£ dag=† checkmark=✓ maltese=✠ R=ℝ N=ℕ Z=ℤ Q=ℚ C=ℂ clubsuit=♣
      diamondsuit=♢ heartsuit=♡ spadesuit=♠ square=□ Box=□ blacksquare=■ Diamond=◇ lozenge=◊ triangle=△ triangledown=▽
      bigtriangleup=△ blacktriangle=▲ bigstar=★ angle=∠ measuredangle=∡ top=⊤ bot=⊥ flat=♭ sharp=♯ natural=♮
      complement=∁ forall=∀ exists=∃ nexists=∄ backslash=\\ copyright=© yen=¥ euro=€ prime=′`),
    operators: table(`
      cdot=⋅ times=× div=÷ pm=± mp=∓ ast=∗ star=⋆ circ=∘ bullet=∙ oplus=⊕ ominus=⊖ otimes=⊗ oslash=⊘ odot=⊙ cap=∩
      cup=∪ uplus=⊎ sqcap=⊓ sqcup=⊔ vee=∨ lor=∨ wedge=∧ land=∧ setminus=∖ smallsetminus=∖ wr=≀ diamond=⋄ amalg=⨿
      dagger=† ddagger=‡ lnot=¬ neg=¬ le=≤ leq=≤ leqslant=⩽ ge=≥ geq=≥ geqslant=⩾ lt=< gt=> ne=≠ neq=≠ equiv=≡ sim=∼
      simeq=≃ approx=≈ approxeq=≊ cong=≅ propto=∝ doteq=≐ asymp=≍ ll=≪ gg=≫ prec=≺ succ=≻ preceq=⪯ succeq=⪰ in=∈
      notin=∉ ni=∋ subset=⊂ supset=⊃ subseteq=⊆ supseteq=⊇ subsetneq=⊊ supsetneq=⊋ nsubseteq=⊈ mid=∣ nmid=∤ parallel=∥
      nparallel=∦ perp=⟂ vdash=⊢ dashv=⊣ models=⊨ vDash=⊨ triangleq=≜ coloneqq=≔ lesssim=≲ gtrsim=≳ nless=≮ ngtr=≯
      nleq=≰ ngeq=≱ vartriangle=△ triangleleft=◁ triangleright=▷ bowtie=⋈ therefore=∴ because=∵ colon=: dots=… ldots=…
      dotsc=… dotso=… cdots=⋯ dotsb=⋯ dotsm=⋯ dotsi=⋯ vdots=⋮ ddots=⋱ surd=√ lbrack=[ rbrack=] lparen=( rparen=)
      smile=⌣ frown=⌢ hookrightarrow=↪`),
    arrows: table(`
      to=→ rightarrow=→ gets=← leftarrow=← leftrightarrow=↔ Rightarrow=⇒ Leftarrow=⇐ Leftrightarrow=⇔ implies=⟹
      impliedby=⟸ iff=⟺ longrightarrow=⟶ longleftarrow=⟵ longleftrightarrow=⟷ Longrightarrow=⟹ Longleftarrow=⟸
      Longleftrightarrow=⟺ mapsto=↦ longmapsto=⟼ uparrow=↑ downarrow=↓ updownarrow=↕ Uparrow=⇑ Downarrow=⇓ nearrow=↗
      searrow=↘ swarrow=↙ nwarrow=↖ rightleftharpoons=⇌ rightharpoonup=⇀ leftharpoonup=↼ leadsto=⇝ nrightarrow=↛`),
    // Limits stand above and below them where there is room.
    large: table(`
      sum=∑ prod=∏ coprod=∐ bigcup=⋃ bigcap=⋂ bigvee=⋁ bigwedge=⋀ bigoplus=⨁ bigotimes=⨂ bigodot=⨀ biguplus=⨄
      bigsqcup=⨆`),
    integrals: table("int=∫ iint=∬ iiint=∭ oint=∮"),
    functions: list(`
      sin cos tan cot sec csc sinh cosh tanh coth arcsin arccos arctan arccot arcsec arccsc log ln lg exp arg deg dim
      ker hom Hom sgn lcm rank tr Tr span vol erf cis`),
    limits: list("lim limsup liminf max min sup inf gcd det Pr argmax argmin mod"),
    accents: table(`
      hat=^ widehat=^ bar=¯ overline=¯ vec=→ overrightarrow=→ overleftarrow=← overleftrightarrow=↔ tilde=~ widetilde=~
      dot=˙ ddot=¨ acute=´ grave=\` check=ˇ breve=˘ mathring=˚ overbrace=⏞ overparen=⏜ wideparen=⏜ overarc=⏜ arc=⏜`),
    unders: table("underline=_ underbrace=⏟ underparen=⏝ underrightarrow=→ underleftarrow=← underbar=_"),
    stretchy: list(`
      widehat overline overrightarrow overleftarrow overleftrightarrow widetilde overbrace overparen wideparen overarc
      arc underline underbrace underparen underrightarrow underleftarrow underbar`),
    fences: table(`
      langle=⟨ rangle=⟩ lfloor=⌊ rfloor=⌋ lceil=⌈ rceil=⌉ lvert=| rvert=| vert=| lVert=‖ rVert=‖ Vert=‖ |=‖ {={ }=}
      lbrace={ rbrace=} lbrack=[ rbrack=] lgroup=( rgroup=) backslash=\\ uparrow=↑ downarrow=↓ Uparrow=⇑ Downarrow=⇓
      ulcorner=⌜ urcorner=⌝ llcorner=⌞ lrcorner=⌟`),
    // In em; "\\!" is a negative one.
    spaces: {",": 0.167, ":": 0.222, ">": 0.222, ";": 0.278, "!": -0.167, " ": 0.25, "~": 0.25, "\n": 0.25, quad: 1,
      qquad: 2, enspace: 0.5, thinspace: 0.167, medspace: 0.222, thickspace: 0.278, negthinspace: -0.167, space: 0.25},
    fonts: table(`
      mathbf=bold bold=bold boldsymbol=bold bm=bold bf=bold mathrm=upright rm=upright mathup=upright mathit=italic
      it=italic mathnormal=italic mathbb=double Bbb=double mathcal=script mathscr=script cal=script mathfrak=fraktur
      frak=fraktur mathsf=sans sf=sans mathtt=mono tt=mono`),
    texts: table(`
      text=upright textrm=upright textnormal=upright mbox=upright hbox=upright fbox=upright textbf=bold textit=italic
      emph=italic textsf=sans texttt=mono textup=upright textsc=upright`),
    matrices: {matrix: "", pmatrix: "()", bmatrix: "[]", Bmatrix: "{}", vmatrix: "||", Vmatrix: "‖‖", smallmatrix: "",
      cases: "{", rcases: " }", dcases: "{", array: "", tabular: "", aligned: "", alignedat: "", align: "", alignat: "",
      split: "", gather: "", gathered: "", eqnarray: "", equation: "", multline: "", flalign: "", substack: ""},
    // Said to the typesetter alone.
    silent: list(`
      limits nolimits displaylimits nonumber notag allowbreak nobreak noindent centering strut mathstrut null relax
      protect left. right. normalsize small large Large scriptsize footnotesize hfill hfil par newline big( smash`),
    // Arguments that show nothing.
    dropped: {label: 1, hspace: 1, vspace: 1, "hspace*": 1, "vspace*": 1, color: 1, ref: 1, eqref: 1, rule: 2},
  };
})();
