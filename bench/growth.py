# SPDX-License-Identifier: Apache-2.0
"""How costs grow with the fleet: figures called growth_<what>_<devices>, and their plot as SVG, both axes logarithmic,
each cost as a multiple of what it is with 1,000 devices (so that different units share one axis)."""
import math
import re

WIDTH, HEIGHT, LEFT, TOP, RIGHT, BOTTOM = 760, 420, 70, 50, 210, 50
COLOURS = ("#1f6f8b", "#c8553d", "#6a994e", "#7b2d8b", "#b8860b", "#444444")
NAME = re.compile(r"growth_(\w+)_(\d+)$")


def add(figures, what, devices, value, unit):
    figures.add(f"growth_{what}_{devices}", value, unit=unit)


def series(lines):
    """{what: [(devices, value)]}, ascending."""
    found = {}
    for line in lines:
        match = NAME.match(line["metric"])
        if match and line["value"]:
            found.setdefault(f"{match[1].replace('_', ' ')} ({line['unit']})", []).append((int(match[2]), line["value"]))
    return {what: sorted(points) for what, points in found.items() if len(points) > 1}


def svg(found):
    devices = [d for points in found.values() for d, _ in points]
    multiples = [v / points[0][1] for points in found.values() for _, v in points]
    low, high = math.floor(math.log10(min(devices))), math.ceil(math.log10(max(devices)))
    floor, ceiling = min(0, math.floor(math.log10(min(multiples)))), max(1, math.ceil(math.log10(max(multiples))))

    def x(value):
        return LEFT + (math.log10(value) - low) / (high - low) * (WIDTH - LEFT - RIGHT)

    def y(value):
        return HEIGHT - BOTTOM - (math.log10(value) - floor) / (ceiling - floor) * (HEIGHT - TOP - BOTTOM)

    out = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif" font-size="12">',
           f'<rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>',
           f'<text x="{LEFT}" y="24" font-size="14">Cost by size of the fleet, as a multiple of the smallest</text>']
    for power in range(low, high + 1):
        at = x(10 ** power)
        out += [f'<line x1="{at:.1f}" y1="{TOP}" x2="{at:.1f}" y2="{HEIGHT - BOTTOM}" stroke="#ddd"/>',
                f'<text x="{at:.1f}" y="{HEIGHT - BOTTOM + 18}" text-anchor="middle">{10 ** power:,}</text>']
    for power in range(floor, ceiling + 1):
        at = y(10 ** power)
        out += [f'<line x1="{LEFT}" y1="{at:.1f}" x2="{WIDTH - RIGHT}" y2="{at:.1f}" stroke="#ddd"/>',
                f'<text x="{LEFT - 8}" y="{at + 4:.1f}" text-anchor="end">{10.0 ** power:g} ×</text>']
    out.append(f'<text x="{(LEFT + WIDTH - RIGHT) / 2}" y="{HEIGHT - 10}" text-anchor="middle">devices</text>')
    for number, (what, points) in enumerate(sorted(found.items())):
        colour = COLOURS[number % len(COLOURS)]
        path = " ".join(f"{x(d):.1f},{y(v / points[0][1]):.1f}" for d, v in points)
        out += [f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>',
                f'<text x="{WIDTH - RIGHT + 12}" y="{TOP + 14 + 34 * number}" fill="{colour}">{what}</text>',
                f'<text x="{WIDTH - RIGHT + 12}" y="{TOP + 29 + 34 * number}" fill="{colour}">'
                f'{points[0][1]:g} … {points[-1][1]:g}</text>']
    return "\n".join(out + ["</svg>", ""])
