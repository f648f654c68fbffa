// SPDX-License-Identifier: Apache-2.0
// The theme colours a diagram's lines by a stylesheet of its own. For the arrowheads of states it names what they were
// called in an earlier Mermaid, so that they would stay as dark as the page in its dark colours.
{
  const colour = 'var(--md-mermaid-edge-color)';
  const arrowheads = `defs [id*="-barbEnd"], defs [id*="-barbEnd"] path { fill: ${colour} !important; stroke: ${colour} }`;
  const initialize = mermaid.initialize;
  mermaid.initialize = (config) => initialize({ ...config, themeCSS: (config.themeCSS ?? '') + arrowheads });
}
