/** What is under the pointer, in words. */

import type { Figure } from "./figure";
import { pointAt, type Hit } from "./hit";
import { kindOf, placeText, valueText } from "./numbers";
import type { Area, Curve } from "./picture";

/** How many lines are told of at the same x. */
const OTHERS = 6;
const LONGEST = 32;

export function Tooltip({ hit, figure, x }: { hit: Hit; figure: Figure; x: string }) {
  const { ratio, left, width } = figure.layout;
  const isRight = hit.x - left > width / 2;
  const place = { top: `${Math.max(0, hit.y / ratio - 12)}px`, ...(isRight ? { right: `calc(100% - ${hit.x / ratio - 14}px)` } : { left: `${hit.x / ratio + 14}px` }) };
  const at = hit.item.xs[hit.at] as number;
  return (
    <>
      <span class="point" style={{ left: `${hit.x / ratio}px`, top: `${hit.y / ratio}px`, color: hit.item.color }} />
      <div class="tooltip" style={place}>
        <p class="where">
          {nameOf(x)} {placeText(at, kindOf(x))}
        </p>
        <Said item={hit.item} at={hit.at} isFirst />
        {othersAt(figure, hit, at).map(([item, place]) => (
          <Said key={item.label} item={item} at={place} isFirst={false} />
        ))}
      </div>
    </>
  );
}

/** What an x is called. */
export function nameOf(x: string): string {
  const names: Record<string, string> = { "": "row", _step: "step", _timestamp: "at", _relative: "after" };
  return names[x] ?? x;
}

function othersAt(figure: Figure, hit: Hit, x: number): [Curve | Area, number][] {
  const { curves, areas } = figure.picture;
  const all = [...curves, ...areas];
  if (all.length > 2 * OTHERS) return [];
  const places = all.filter((item) => item !== hit.item).map((item): [Curve | Area, number | null] => [item, pointAt(item, x)]);
  return places.filter((place): place is [Curve | Area, number] => place[1] !== null).slice(0, OTHERS);
}

function Said({ item, at, isFirst }: { item: Curve | Area; at: number; isFirst: boolean }) {
  return (
    <p class={isFirst ? "said first" : "said"}>
      <span class="swatch" style={{ background: item.color }} />
      <span class="who">{shortened(item.label)}</span>
      <span class="value">{"mean" in item ? areaText(item, at) : curveText(item, at)}</span>
    </p>
  );
}

/** A name without its beginning, where it is long: runs that are compared differ at the end. */
function shortened(name: string): string {
  return name.length > LONGEST ? `…${name.slice(1 - LONGEST)}` : name;
}

function curveText({ ys, smooth }: Curve, at: number): string {
  const raw = valueText(ys[at] as number);
  return smooth && Number.isFinite(ys[at]) ? `${valueText(smooth[at] as number)}, raw ${raw}` : raw;
}

function areaText({ mean, low, high, min, max }: Area, at: number): string {
  const of = (values: Float64Array) => valueText(values[at] as number);
  return `${of(mean)} (${of(low)} to ${of(high)}, all ${of(min)} to ${of(max)})`;
}
