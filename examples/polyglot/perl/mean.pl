# `bellis exec` runs this once for each block.
use strict;
use warnings;

my (undef, $ny, $nz) = split ' ', $ENV{POLYGLOT_SHAPE};
my ($x0, $y0, $z0) = split ' ', $ENV{BELLIS_WRITE_OFFSET};
my ($dx, $dy, $dz) = split ' ', $ENV{BELLIS_WRITE_SHAPE};
open my $scan, '<:raw', $ENV{POLYGLOT_INPUT} or die "$ENV{POLYGLOT_INPUT}: $!";
open my $mean, '+<:raw', $ENV{POLYGLOT_OUTPUT} or die "$ENV{POLYGLOT_OUTPUT}: $!";

for my $x ($x0 .. $x0 + $dx - 1) {
    for my $y ($y0 .. $y0 + $dy - 1) {
        my @sums = (0) x ($dz + 2);
        for my $place (map { my $i = $_; map { (($x + $i) * $ny + $y + $_) * $nz + $z0 - 1 } -1 .. 1 } -1 .. 1) {
            sysseek $scan, $place, 0;
            sysread($scan, my $row, $dz + 2) == $dz + 2 or die "the scan is too short";
            my @voxels = unpack 'C*', $row;
            $sums[$_] += $voxels[$_] for 0 .. $dz + 1;
        }
        my @row = map { int(($sums[$_] + $sums[$_ + 1] + $sums[$_ + 2] + 13) / 27) } 0 .. $dz - 1;
        sysseek $mean, ($x * $ny + $y) * $nz + $z0, 0;
        syswrite($mean, pack 'C*', @row) == $dz or die "$ENV{POLYGLOT_OUTPUT}: $!";
    }
}
